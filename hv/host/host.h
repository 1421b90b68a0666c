/* The host's own processor state: GDT, IDT, TSS, control registers. */
#ifndef CEDE_HOST_H
#define CEDE_HOST_H

#define HOST_CS  0x08
#define HOST_DS  0x10
#define HOST_TR  0x18
#define HOST_CR0 (CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE)

/* Descriptors, in every GDT of Cede's. */
#define GDT_CODE64 0x00af9b000000ffffULL
#define GDT_DATA   0x00cf93000000ffffULL

/* What a partition begins with (boot_info.h). */
#define BOOT_CS        0x10
#define BOOT_DS        0x18
#define BOOT_GDT_LIMIT 31
#define BOOT_CR0       (CR0_PG | CR0_NE | CR0_ET | CR0_PE)

#ifndef __ASSEMBLER__

#include "hv.h"

/* What the exception stubs leave on the stack (hv/host/exception_stubs.S). */
struct frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    u64 vector, error, rip, cs, rflags, rsp, ss;
};

/* Builds the IDT, and the GDT and TSS of every core. */
void host_prepare(void);

/* Where the running core's tables are, for a processor that loads them itself on an exit. */
struct host_tables {
    u64 gdt, idt, tss;
};
struct host_tables host_tables(struct cpu *cpu);

/* Puts the running core on the host's tables. TR, FS and GS stay what they were: on AMD they are
 * the guest's. */
void host_load(struct cpu *cpu);

#endif
#endif
