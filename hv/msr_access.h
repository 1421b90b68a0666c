/* Intercepted MSRs that both vendors share. */
#ifndef CEDE_MSR_ACCESS_H
#define CEDE_MSR_ACCESS_H

#include "cpu.h"

/* A guest's RDMSR or WRMSR that exited. False: #GP(0) to the guest. `rip` is where it stands, for
 * the record of denied events. */
bool msr_read(struct cpu *cpu, u32 msr, u64 *value);
bool msr_write(struct cpu *cpu, u32 msr, u64 value, u64 rip);

#endif
