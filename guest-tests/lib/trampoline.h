/* The page below 1 MiB at which a SIPI starts a core: code first, then what the core found (struct
 * start_record) and what it is to do (struct start_order). Shared by C and assembly. */
#ifndef CEDE_GUEST_TRAMPOLINE_H
#define CEDE_GUEST_TRAMPOLINE_H

#define TRAMPOLINE_RECORD  0xc00
#define TRAMPOLINE_ORDER   0xc80
#define TRAMPOLINE_GDT     0xce0
#define TRAMPOLINE_RESULTS 0xd00
#define TRAMPOLINE_STACK   0xff0

#define ORDER_MODE     0x00
#define ORDER_CR3      0x04
#define ORDER_CR4      0x08
#define ORDER_PAGING32 0x0c
#define ORDER_CR4_32   0x10
#define ORDER_TARGET   0x14
#define ORDER_GDTR     0x18
#define ORDER_FAR32    0x20
#define ORDER_FAR64    0x28
#define ORDER_STACK    0x30
#define ORDER_CORE     0x38
#define ORDER_ENTRY    0x40

#define START_LONG 0 /* straight to 64-bit mode */
#define START_REAL 1 /* run the APIC writes in real mode first */
#define START_PROT 2 /* ... in 32-bit protected mode without paging */
#define START_PAGED \
    3 /* ... in 32-bit protected mode with ORDER_PAGING32 as CR3, ORDER_CR4_32 as CR4 */

#define APIC_FORM_RESULTS 19   /* values that apic_forms stores */
#define APIC_FORM_VECTOR  0xa0 /* and the first of three vectors that it sends */

#endif
