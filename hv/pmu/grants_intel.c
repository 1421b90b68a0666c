#include "base/preflight_parts.h"
#include "pmu/grants_parts.h"
#include "pmu/intel.h"

#define CPUID_PDCM BIT(15) /* 1 ECX: PERF_CAPABILITIES */
#define CPUID_DS   BIT(21) /* 1 EDX: debug store */

#define MODEL_ICELAKE_X 0x6a
#define MODEL_ICELAKE_D 0x6c

/* Adaptive records, and EPT violations in the midst of one that can be gone on from ("EPT-friendly
 * PEBS"). No bit says the latter; this is whom Linux takes for such (pebs_ept). */
static bool pebs_survives(const struct cpu_ops *ops)
{
    u32 signature = preflight_cpuid(ops, 1, CPU_EAX);
    u32 model = (u32)(FIELD(signature, 19, 16) << 4 | FIELD(signature, 7, 4));
    u64 capabilities;

    if (!(preflight_cpuid(ops, 1, CPU_ECX) & CPUID_PDCM))
        return false;
    capabilities = ops->rdmsr(IA32_PERF_CAPABILITIES);
    return (capabilities & PERF_CAP_PEBS_BASELINE) &&
           (FIELD(capabilities, 11, 8) >= 5 ||
            (FIELD(signature, 11, 8) == 6 &&
             (model == MODEL_ICELAKE_X || model == MODEL_ICELAKE_D)));
}

enum grant_answer grant_ask_intel(const struct cpu_ops *ops, enum policy_grant grant)
{
    bool store = preflight_cpuid(ops, 1, CPU_EDX) & CPUID_DS;

    if (grant == GRANT_IBS || (grant == GRANT_PEBS && !store))
        return GRANT_ABSENT;
    if (grant == GRANT_PEBS)
        return pebs_survives(ops) ? GRANT_GIVEN : GRANT_FATAL;
    return GRANT_NOT_YET;
}
