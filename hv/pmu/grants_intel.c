#include "base/preflight_parts.h"
#include "pmu/grants_parts.h"

#define CPUID_DS BIT(21) /* 1 EDX: debug store */

enum grant_answer grant_ask_intel(const struct cpu_ops *ops, enum policy_grant grant)
{
    bool store = preflight_cpuid(ops, 1, CPU_EDX) & CPUID_DS;

    if (grant == GRANT_IBS || (grant == GRANT_PEBS && !store))
        return GRANT_ABSENT;
    return GRANT_NOT_YET;
}
