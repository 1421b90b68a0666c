#include "base/asm.h"
#include "counters/pmu_vendor.h"
#include "guest.h"

static void describe(u16 family, struct policy_cpu *processor)
{
    pmu_amd_discover(&pmu.amd, &pmu_native);
    pmu.lacking = pmu.amd.lbr_stack ? 0 : BIT(FEATURE_LBR_STACK);
    *processor = (struct policy_cpu){.format = &filter_format_amd,
                                     .core = policy_core_amd,
                                     .core_count = COUNT(policy_core_amd)};
    processor->architectural = pmu_amd_architectural(family, &processor->architectural_count);
    pmu.vmrun_branch = tenant()->boot->policy.vmrun_branch;
}

static void limit(struct guest *guest)
{
    guest->msr.granted = pmu_amd_grants(guest->pmu.mode, guest->pmu.filter);
}

static void start(struct cpu *cpu)
{
    const struct guest_pmu *own = &cpu->guest->pmu;

    pmu_amd_start(&cpu->pmu.amd, &pmu.amd, own->mode, own->filter, &pmu_native);
}

static void zero(void)
{
    for (u32 i = 0; i < pmu.amd.counters; i++) {
        wrmsr_safe(pmu_amd_selector_msr(&pmu.amd, i), 0);
        wrmsr_safe(pmu_amd_counter_msr(&pmu.amd, i), 0);
    }
}

static void follow(struct cpu *cpu, enum pmu_mode from)
{
    const struct guest_pmu *own = &cpu->guest->pmu;

    pmu_amd_switch(&cpu->pmu.amd, &pmu.amd, from, own->mode, own->filter, &pmu_native);
    if (!feature_granted(cpu->guest->msr.granted, FEATURE_IBS))
        pmu_amd_clear_ibs(&pmu.amd, &pmu_native);
}

static const u64 *selectors(const struct cpu *cpu, u32 *count)
{
    *count = pmu.amd.counters;
    return cpu->pmu.amd.shadow;
}

const struct pmu_vendor pmu_vendor_amd = {describe, limit, start, zero, follow, selectors};
