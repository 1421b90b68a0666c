#include "pmu/amd.h"
#include "base/feature.h"

const struct filter_format filter_format_amd = {
    .event_high = PERF_CTL_EVENT_HIGH,
    .free = EVTSEL_EVENT | EVTSEL_UMASK | EVTSEL_USR | EVTSEL_OS | EVTSEL_INT | EVTSEL_EN |
            PERF_CTL_EVENT_HIGH | PERF_CTL_GUEST_ONLY | PERF_CTL_HOST_ONLY,
    .modifiers = EVTSEL_EDGE | EVTSEL_INV | EVTSEL_CMASK,
    .never = 0xe0,
};

#define EVENT(select, umask)                                                \
    {                                                                       \
        .first = (select), .last = (select), .mask = 0xff, .match = (umask) \
    }

static const struct filter_entry architectural_k7[] = {
    EVENT(0x76, 0x00), /* cycles not halted */
    EVENT(0xc0, 0x00), /* instructions retired */
    EVENT(0xc2, 0x00), /* branches retired */
    EVENT(0xc3, 0x00), /* of these mispredicted */
    EVENT(0x7d, 0x07), /* L2 requests */
    EVENT(0x7e, 0x07), /* L2 misses */
};

static const struct filter_entry architectural_zen[] = {
    EVENT(0x76, 0x00),  /* cycles not halted */
    EVENT(0x120, 0x01), /* the same at the P0 frequency: reference cycles */
    EVENT(0xc0, 0x00),  /* instructions retired */
    EVENT(0xc2, 0x00),  /* branches retired */
    EVENT(0xc3, 0x00),  /* of these mispredicted */
    EVENT(0x60, 0xff),  /* L2 requests */
    EVENT(0x64, 0x09),  /* L2 misses */
};

const struct filter_entry *pmu_amd_architectural(u32 family, u32 *count)
{
    *count = family < 0x17 ? COUNT(architectural_k7) : COUNT(architectural_zen);
    return family < 0x17 ? architectural_k7 : architectural_zen;
}

void pmu_amd_discover(struct pmu_amd_caps *caps, const struct pmu_access *access)
{
    u32 max[4], features[4], v2[4] = {0};

    access->cpuid(0x80000000, 0, max);
    access->cpuid(0x80000001, 0, features);
    if (max[0] >= 0x80000022)
        access->cpuid(0x80000022, 0, v2);
    caps->extended = features[2] & BIT(23);
    caps->northbridge = features[2] & BIT(24);
    caps->llc = features[2] & BIT(28);
    caps->ibs = features[2] & BIT(10);
    caps->perfmon_v2 = v2[0] & BIT(0);
    caps->lbr_stack = v2[0] & BIT(1);
    caps->counters = caps->extended ? 6 : 4;
    if (caps->perfmon_v2)
        caps->counters = MIN(v2[1] & 0xf, PMU_AMD_COUNTERS);
}

static void read_selectors(struct pmu_amd *pmu, const struct pmu_amd_caps *caps,
                           const struct pmu_access *access)
{
    for (u32 i = 0; i < caps->counters; i++)
        if (!access->rdmsr(pmu_amd_selector_msr(caps, i), &pmu->shadow[i]))
            pmu->shadow[i] = 0;
}

static void write_selectors(struct pmu_amd *pmu, const struct pmu_amd_caps *caps,
                            enum pmu_mode mode, const struct filter *filter,
                            const struct pmu_access *access)
{
    for (u32 i = 0; i < caps->counters; i++)
        access->wrmsr(pmu_amd_selector_msr(caps, i), pmu_amd_value(mode, filter, pmu->shadow[i]));
    pmu->core.attention = (u16)(BIT(caps->counters) - 1); /* until somebody has looked */
    pmu->core.known.valid = false;
}

u32 pmu_amd_grants(enum pmu_mode mode, const struct filter *filter)
{
    if (mode == PMU_FULL)
        return FEATURES_OF_POLICY;
    return mode == PMU_FILTERED && filter_allows(filter, 0x76) ? BIT(FEATURE_CYCLES) : 0;
}

u64 pmu_amd_debugctl(u32 granted, u64 value)
{
    return feature_granted(granted, FEATURE_LBR) ? value : value & ~DEBUGCTL_LBR;
}

/* Without need nothing is written: KVM complains of every write. */
static void stop_last_branch(const struct pmu_access *access)
{
    u64 value;

    if (access->rdmsr(IA32_DEBUGCTL, &value) && (value & DEBUGCTL_LBR))
        access->wrmsr(IA32_DEBUGCTL, value & ~DEBUGCTL_LBR);
}

/* The controls come first: a sample that is taken meanwhile is forgotten with the others. Which
 * registers there are beyond them is up to the family. */
void pmu_amd_clear_ibs(const struct pmu_amd_caps *caps, const struct pmu_access *access)
{
    if (!caps->ibs)
        return;
    access->wrmsr(MSR_IBS_FETCH_CTL, 0);
    access->wrmsr(MSR_IBS_OP_CTL, 0);
    for (u32 msr = MSR_IBS_FETCH_CTL; msr <= MSR_IBS_LAST; msr++)
        if (msr != MSR_IBS_CTL)
            access->wrmsr(msr, 0);
}

/* Stops and zeroes pairs of selector and counter until one is not there. */
static void zero_pairs(u32 first, u32 pairs, const struct pmu_access *access)
{
    for (u32 i = 0; i < pairs; i++)
        if (!access->wrmsr(first + 2 * i, 0) || !access->wrmsr(first + 2 * i + 1, 0))
            return;
}

void pmu_amd_start(struct pmu_amd *pmu, const struct pmu_amd_caps *caps, enum pmu_mode mode,
                   const struct filter *filter, const struct pmu_access *access)
{
    *pmu = (struct pmu_amd){0};
    read_selectors(pmu, caps, access);
    write_selectors(pmu, caps, mode, filter, access);
    stop_last_branch(access);
    pmu_amd_clear_ibs(caps, access);
    if (caps->llc)
        zero_pairs(MSR_LLC_CTL, 6, access);
    if (caps->northbridge)
        zero_pairs(MSR_NB_CTL, 16, access);
}

void pmu_amd_switch(struct pmu_amd *pmu, const struct pmu_amd_caps *caps, enum pmu_mode from,
                    enum pmu_mode to, const struct filter *filter, const struct pmu_access *access)
{
    if (from == PMU_FULL)
        read_selectors(pmu, caps, access);
    write_selectors(pmu, caps, to, filter, access);
}
