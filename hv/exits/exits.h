/* What slow exits have in common on both vendors' processors. All registers of the guest are in
 * struct cpu meanwhile. */
#ifndef CEDE_EXITS_H
#define CEDE_EXITS_H

#include "cpu.h"

/* CPUID with the guest's CR4, into RAX, RBX, RCX and RDX. */
void exit_cpuid(struct cpu *cpu, u64 cr4);

/* IN or OUT of `size` bytes. */
void exit_io(struct cpu *cpu, u16 port, u32 size, bool in);

/* RDPMC, only where the guest has no PMU: what RDMSR gives there, RDPMC gives too. */
void exit_rdpmc(struct cpu *cpu);

/* Second-level fault where nothing is mapped. False: nothing can be. */
bool exit_first_touch(struct cpu *cpu, u64 gpa, u64 rip);

/* VMMCALL or VMCALL. False: #UD, it was no hypercall. */
bool exit_hypercall(struct cpu *cpu, u32 cpl);

/* INVD, and WBINVD where that exits. */
void exit_invd(struct cpu *cpu);

/* #MC in a partition's guest. */
void exit_machine_check(struct cpu *cpu);

/* Nobody knows how to go on, and the registers are in the log: stops a partition, or else this
 * core. */
__attribute__((noreturn)) void exit_unexpected(struct cpu *cpu);

__attribute__((noreturn)) void exit_triple_fault(struct cpu *cpu, u64 cs, u64 rip, u64 cr2,
                                                 u64 cr3);

/* RDMSR and WRMSR by halves. */
static inline u64 exit_msr_value(const struct cpu *cpu)
{
    return cpu->regs[RDX] << 32 | (u32)cpu->regs[RAX];
}

static inline void exit_msr_result(struct cpu *cpu, u64 value)
{
    cpu->regs[RAX] = (u32)value;
    cpu->regs[RDX] = value >> 32;
}

#endif
