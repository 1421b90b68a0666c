#include "base/preflight_parts.h"
#include "pmu/grants_parts.h"

#define CPUID_IBS      BIT(10) /* 8000_0001 ECX */
#define CPUID_LBR_VIRT BIT(1)  /* 8000_000A EDX */

/* The VMCB bit that the hardware must know covers all that there is (APM 15.23.1). */
static enum grant_answer of_branches(const struct cpu_ops *ops)
{
    return preflight_cpuid(ops, 0x8000000a, CPU_EDX) & CPUID_LBR_VIRT ? GRANT_GIVEN
                                                                      : GRANT_UNSWITCHED;
}

enum grant_answer grant_ask_amd(const struct cpu_ops *ops, enum policy_grant grant)
{
    if (grant == GRANT_LBR)
        return of_branches(ops);
    if (grant == GRANT_IBS && (preflight_cpuid(ops, 0x80000001, CPU_ECX) & CPUID_IBS))
        return GRANT_GIVEN;
    return GRANT_ABSENT;
}
