/* Linked into a hypervisor image that only tests boot (build/uncredited/cede.efi), in place of what
 * finds out whom an emulated instruction is to be credited to (hv/counters/credit.h): nobody, and
 * the fast paths (credit_fast.h) never know of any. A report of it must be seen to be one
 * (tools/test-report). */
#include "counters/credit.h"

void __wrap_credit_begin_amd(struct cpu *cpu, bool user);
void __wrap_credit_begin_intel(struct cpu *cpu, bool user, u64 global_ctrl);

void __wrap_credit_begin_amd(struct cpu *cpu, bool user)
{
    (void)user;
    credit_nobody(cpu);
}

void __wrap_credit_begin_intel(struct cpu *cpu, bool user, u64 global_ctrl)
{
    (void)user;
    (void)global_ctrl;
    credit_nobody(cpu);
}
