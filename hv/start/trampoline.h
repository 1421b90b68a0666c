/* The page below 1 MiB where a processor begins after a SIPI. */
#ifndef CEDE_TRAMPOLINE_H
#define CEDE_TRAMPOLINE_H

/* Parameters that the boot processor writes at the end of the trampoline page. */
#define TRAMPOLINE_GDT   0xf00 /* 3 descriptors, then the pseudo-descriptor */
#define TRAMPOLINE_GDTR  0xf18
#define TRAMPOLINE_CR3   0xf20
#define TRAMPOLINE_CR4   0xf24
#define TRAMPOLINE_ENTRY 0xf28
#define TRAMPOLINE_FAR   0xf30 /* 32-bit offset, selector */

#ifndef __ASSEMBLER__

/* Copies and fills in the page; before it becomes read-only in the host's map. */
void trampoline_prepare(void);

#endif
#endif
