/* What a guest writes to its local APIC where that exits: the xAPIC page, and IA32_APIC_BASE. */
#ifndef CEDE_APIC_PAGE_H
#define CEDE_APIC_PAGE_H

#include "cpu.h"

/* A guest's write to the xAPIC page was stopped at `gpa`: decodes the instruction and carries it
 * out. #GP(0) to the guest if it is none that a compiler emits for this. */
void apic_page_write(struct cpu *cpu, u64 gpa);

/* What a partition reads there: its boot core is a boot processor, and nothing can be changed. */
u64 partition_apic_base(const struct cpu *cpu);

/* A guest's write of IA32_APIC_BASE. False: the guest gets #GP(0). */
bool apic_base_write(struct cpu *cpu, u64 value);

#endif
