/* Intercepted MSRs. What both vendors share is in msr_access.c, the rest in one file each. */
#ifndef CEDE_MSR_ACCESS_H
#define CEDE_MSR_ACCESS_H

#include "cpu.h"

/* A guest's RDMSR or WRMSR that exited. False: #GP(0) to the guest. MSRs whose value is in the VMCB
 * or VMCS are the caller's affair: EFER on AMD, DEBUGCTL on Intel (pmu_intel_debugctl() says what
 * it gets). */
bool msr_read(struct cpu *cpu, u32 msr, u64 *value);
bool msr_write(struct cpu *cpu, u32 msr, u64 value);

/* hv/exits/msr_access_amd.c, hv/exits/msr_access_intel.c: MSRs whose verdict is MSR_TRAP, counted.
 */
bool amd_read_trapped(struct cpu *cpu, u32 msr, u64 *value);
bool amd_write_trapped(struct cpu *cpu, u32 msr, u64 value);
bool intel_read_trapped(struct cpu *cpu, u32 msr, u64 *value);
bool intel_write_trapped(struct cpu *cpu, u32 msr, u64 value);

/* hv/exits/msr_access.c: the x2APIC ICR where it is policed. */
bool icr_write(struct cpu *cpu, u64 value);

#endif
