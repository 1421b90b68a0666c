#include "base/preflight_parts.h"
#include "pmu/grants_parts.h"

#define CPUID_IBS BIT(10) /* 8000_0001 ECX */

enum grant_answer grant_ask_amd(const struct cpu_ops *ops, enum policy_grant grant)
{
    bool ibs = preflight_cpuid(ops, 0x80000001, CPU_ECX) & CPUID_IBS;

    if (grant == GRANT_PEBS || (grant == GRANT_IBS && !ibs))
        return GRANT_ABSENT;
    return GRANT_NOT_YET;
}
