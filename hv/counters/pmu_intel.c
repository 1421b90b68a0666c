#include "base/asm.h"
#include "counters/pmu_vendor.h"
#include "guest.h"
#include "pmu/lbr_intel.h"

static void describe(u16 family, struct policy_cpu *processor)
{
    (void)family;
    pmu_intel_discover(&pmu.intel, &pmu_native);
    *processor = (struct policy_cpu){.format = &filter_format_intel,
                                     .architectural = pmu_intel_architectural,
                                     .core = policy_core_intel,
                                     .architectural_count = COUNT(pmu_intel_architectural),
                                     .core_count = COUNT(policy_core_intel)};
}

static void limit(struct guest *guest)
{
    struct guest_pmu *own = &guest->pmu;

    own->limits = (struct pmu_intel_limits){
        .fixed = (u16)policy_fixed(&own->policy),
        .any_thread = policy_modifiers(&own->policy) & EVTSEL_ANY,
        .policy = &own->policy,
    };
    own->limits.restricted = pmu_intel_fixed_restricted(&pmu.intel, &own->limits);
    guest->msr.fixed_restricted = own->limits.restricted;
    guest->msr.granted = pmu_intel_grants(own->mode, own->filter, &own->limits);
}

static void start(struct cpu *cpu)
{
    const struct guest_pmu *own = &cpu->guest->pmu;

    pmu_intel_start(&cpu->pmu.intel, own->mode, own->filter, &own->limits, &pmu_native);
}

/* Global control is 0 while the host runs. */
static void zero(void)
{
    struct pmu_intel_caps caps;

    pmu_intel_discover(&caps, &pmu_native);
    wrmsr_safe(IA32_FIXED_CTR_CTRL, 0);
    for (u32 i = 0; i < caps.counters; i++) {
        wrmsr_safe(IA32_PERFEVTSEL0 + i, 0);
        wrmsr_safe(IA32_PMC0 + i, 0);
    }
    for (u32 left = caps.fixed; left; left &= left - 1)
        wrmsr_safe(IA32_FIXED_CTR0 + (u32)__builtin_ctz(left), 0);
}

static void follow(struct cpu *cpu, enum pmu_mode from)
{
    const struct guest_pmu *own = &cpu->guest->pmu;

    pmu_intel_switch(&cpu->pmu.intel, from, own->mode, own->filter, &own->limits, &pmu_native);
    if (cpu->guest->msr.withdrawn & BIT(FEATURE_LBR))
        lbr_intel_clear(&pmu_native);
}

static const u64 *selectors(const struct cpu *cpu, u32 *count)
{
    *count = cpu->pmu.intel.caps.counters;
    return cpu->pmu.intel.shadow;
}

const struct pmu_vendor pmu_vendor_intel = {describe, limit, start, zero, follow, selectors};
