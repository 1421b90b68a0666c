/* Linked into a hypervisor image that only tests boot (build/uncredited/cede.efi), in place of what
 * credits an emulated instruction to the guest's counters (hv/counters/credit.h): nobody gets
 * anything. A report of it must be seen to be one (tools/test-report). */
#include "counters/credit.h"

void __wrap_credit_finish_amd(struct cpu *cpu);
u64 __wrap_credit_finish_intel(struct cpu *cpu);

void __wrap_credit_finish_amd(struct cpu *cpu)
{
    credit_nobody(cpu);
}

u64 __wrap_credit_finish_intel(struct cpu *cpu)
{
    credit_nobody(cpu);
    return 0;
}
