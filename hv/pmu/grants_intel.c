#include "base/msr.h"
#include "base/preflight_parts.h"
#include "pmu/grants_parts.h"
#include "pmu/intel.h"

#define CPUID_PDCM     BIT(15) /* 1 ECX: PERF_CAPABILITIES */
#define CPUID_DS       BIT(21) /* 1 EDX: debug store */
#define CPUID_ARCH_LBR BIT(19) /* 7 EDX */

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

static bool is_architectural(const struct cpu_ops *ops)
{
    return preflight_cpuid(ops, 7, CPU_EDX) & CPUID_ARCH_LBR;
}

/* Architectural LBRs stand still in the hypervisor by these two (SDM 25.7.1, 25.8.1). */
static bool has_controls(const struct cpu_ops *ops)
{
    bool exact = ops->rdmsr(IA32_VMX_BASIC) & VMX_BASIC_TRUE_CONTROLS;
    u32 base = exact ? IA32_VMX_TRUE_PINBASED_CTLS : IA32_VMX_PINBASED_CTLS;

    return (ops->rdmsr(base + 2) >> 32 & EXITCTL_CLEAR_LBR) &&
           (ops->rdmsr(base + 3) >> 32 & ENTRYCTL_LOAD_LBR);
}

bool lbr_ctl_is_switched(const struct cpu_ops *ops)
{
    return is_architectural(ops) && has_controls(ops);
}

/* Those of before stand still because every exit clears DEBUGCTL (28.5.1). Without a format that
 * PERF_CAPABILITIES names no driver knows them. */
static enum grant_answer ask_lbr(const struct cpu_ops *ops)
{
    if (is_architectural(ops))
        return has_controls(ops) ? GRANT_GIVEN : GRANT_NO_CONTROL;
    if (!(preflight_cpuid(ops, 1, CPU_ECX) & CPUID_PDCM))
        return GRANT_ABSENT;
    return ops->rdmsr(IA32_PERF_CAPABILITIES) & PERF_CAP_LBR_FMT ? GRANT_GIVEN : GRANT_ABSENT;
}

enum grant_answer grant_ask_intel(const struct cpu_ops *ops, enum policy_grant grant)
{
    bool store = preflight_cpuid(ops, 1, CPU_EDX) & CPUID_DS;

    if (grant == GRANT_LBR)
        return ask_lbr(ops);
    if (grant == GRANT_IBS || (grant == GRANT_PEBS && !store))
        return GRANT_ABSENT;
    if (grant == GRANT_PEBS)
        return pebs_survives(ops) ? GRANT_GIVEN : GRANT_FATAL;
    return GRANT_NOT_YET;
}
