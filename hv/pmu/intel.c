#include "pmu/intel.h"
#include "base/feature.h"
#include "pmu/lbr_intel.h"
#include "pmu/policy.h"

const struct filter_format filter_format_intel = {
    .umask2 = EVTSEL_UMASK2,
    .free = EVTSEL_EVENT | EVTSEL_UMASK | EVTSEL_UMASK2 | EVTSEL_USR | EVTSEL_OS | EVTSEL_INT |
            EVTSEL_EN,
    .modifiers = EVTSEL_EDGE | EVTSEL_INV | EVTSEL_CMASK | EVTSEL_ANY | EVTSEL_IN_TX | EVTSEL_EQ |
                 EVTSEL_ADAPTIVE,
};

#define EVENT(select, umask)                                                \
    {                                                                       \
        .first = (select), .last = (select), .mask = 0xff, .match = (umask) \
    }

const struct filter_entry pmu_intel_architectural[7] = {
    EVENT(0x3c, 0x00), /* core cycles */
    EVENT(0x3c, 0x01), /* reference cycles */
    EVENT(0xc0, 0x00), /* instructions retired */
    EVENT(0xc4, 0x00), /* branches retired */
    EVENT(0xc5, 0x00), /* of these mispredicted */
    EVENT(0x2e, 0x4f), /* last-level cache references */
    EVENT(0x2e, 0x41), /* last-level cache misses */
};

static u32 highest(u32 bits)
{
    return bits ? 32 - (u32)__builtin_clz(bits) : 0;
}

/* SDM 20.2.5: version 5 names fixed counters by a bitmap as well; version 6 all counters. */
static void discover_version_6(struct pmu_intel_caps *caps, const struct pmu_access *access)
{
    u32 leaf[4];

    access->cpuid(7, 1, leaf);
    if (!(leaf[0] & BIT(8)))
        return;
    access->cpuid(0x23, 0, leaf);
    if (!(leaf[0] & BIT(1)))
        return;
    access->cpuid(0x23, 1, leaf);
    caps->general = (u16)leaf[0];
    caps->fixed = (u16)leaf[1];
}

static bool is_hybrid(const struct pmu_access *access)
{
    u32 leaf[4];

    access->cpuid(7, 0, leaf);
    return leaf[3] & BIT(15);
}

/* Processors of which KVM's tests know that instructions retired count more where there are exits
 * (SRF7 in Sierra Forest's specification update). Branches too, but for Clearwater Forest; none is
 * credited. */
static bool overcounts(u32 eax)
{
    static const u8 models[] = {
        0x4d, 0x5f, 0x86, /* Silvermont, Goldmont and Tremont in servers */
        0xaf, 0xdd,       /* Sierra Forest, Clearwater Forest */
    };

    for (u32 i = 0; FIELD(eax, 11, 8) == 6 && i < COUNT(models); i++)
        if (models[i] == (FIELD(eax, 19, 16) << 4 | FIELD(eax, 7, 4)))
            return true;
    return false;
}

void pmu_intel_discover(struct pmu_intel_caps *caps, const struct pmu_access *access)
{
    u32 leaf[4], features[4];
    u64 capabilities = 0;

    access->cpuid(0xa, 0, leaf);
    *caps = (struct pmu_intel_caps){
        .version = (u8)FIELD(leaf[0], 7, 0),
        .general = (u16)(BIT(MIN(FIELD(leaf[0], 15, 8), PMU_INTEL_COUNTERS)) - 1),
        .width = (u8)FIELD(leaf[0], 23, 16),
        .fixed = (u16)((1U << FIELD(leaf[3], 4, 0)) - 1),
        .fixed_width = (u8)FIELD(leaf[3], 12, 5),
    };
    caps->any_thread = caps->version >= 3 && !(leaf[3] & BIT(15));
    if (caps->version >= 5)
        caps->fixed |= (u16)leaf[2];
    if (caps->version >= 6)
        discover_version_6(caps, access);
    caps->general &= (u16)PMU_INTEL_ALL;
    caps->counters = (u8)highest(caps->general);
    caps->hybrid = is_hybrid(access);
    access->cpuid(1, 0, features);
    caps->overcounts = overcounts(features[0]);
    if ((features[2] & BIT(15)) && access->rdmsr(IA32_PERF_CAPABILITIES, &capabilities))
        caps->full_width = capabilities & PERF_CAP_FULL_WIDTH;
}

/* The bits of a field that do not fault, and those that are allowed. */
static u64 field_bits(bool any_thread)
{
    return FIXED_OS | FIXED_USR | FIXED_PMI | (any_thread ? FIXED_ANY : 0);
}

static u64 field_allowed(const struct pmu_intel_limits *limits, u32 counter)
{
    return limits->fixed >> counter & 1 ? field_bits(limits->any_thread) : 0;
}

u64 pmu_intel_fixed_value(const struct pmu_intel_caps *caps, const struct pmu_intel_limits *limits,
                          u64 value)
{
    u64 exists = field_bits(caps->any_thread);

    for (u32 i = 0; i < 16; i++)
        if ((caps->fixed >> i & 1) && (FIXED_FIELD(value, i) & exists & ~field_allowed(limits, i)))
            value &= ~(exists << 4 * i);
    return value;
}

bool pmu_intel_fixed_restricted(const struct pmu_intel_caps *caps,
                                const struct pmu_intel_limits *limits)
{
    u16 may_exist = caps->hybrid ? 0xffff : caps->fixed;

    return (may_exist & ~limits->fixed) || (caps->any_thread && !limits->any_thread);
}

static const struct aux {
    u16 msr;
    u8 kind; /* enum policy_aux_register */
} aux_registers[PMU_INTEL_AUX] = {
    {0x1a6, AUX_OFFCORE},  {0x1a7, AUX_OFFCORE},                         /* OFFCORE_RSP */
    {0x3e0, AUX_OFFCORE},  {0x3e1, AUX_OFFCORE},  {0x3e2, AUX_OFFCORE},  /* OMR */
    {0x3e3, AUX_OFFCORE},  {0x3f6, AUX_LDLAT},    {0x3f7, AUX_FRONTEND}, /* PEBS_ */
    {0x1328, AUX_OFFCORE}, {0x1329, AUX_OFFCORE},                        /* SNOOP_RSP */
};

int pmu_intel_aux(u32 msr)
{
    for (u32 i = 0; i < COUNT(aux_registers); i++)
        if (aux_registers[i].msr == msr)
            return (int)i;
    return -1;
}

u64 pmu_intel_aux_value(const struct pmu_intel_limits *limits, u32 index, u64 value)
{
    bool allowed =
        limits->policy && policy_allows_aux(limits->policy, aux_registers[index].kind, value);

    return allowed ? value : 0;
}

u32 pmu_intel_grants(enum pmu_mode mode, const struct filter *filter,
                     const struct pmu_intel_limits *limits)
{
    bool cycles = (limits->fixed >> FIXED_CORE_CYCLES & 1) || filter_allows(filter, 0x3c);

    return mode == PMU_FULL || (mode == PMU_FILTERED && cycles) ? BIT(FEATURE_CYCLES) : 0;
}

u64 pmu_intel_debugctl(u32 granted, u64 value)
{
    u64 refused = DEBUGCTL_TRACES;

    if (!feature_granted(granted, FEATURE_LBR))
        refused |= DEBUGCTL_LBR;
    if (!feature_granted(granted, FEATURE_UNCORE))
        refused |= DEBUGCTL_UNCORE_PMI;
    return value & ~refused;
}

bool pmu_intel_pebs_enable(const struct pmu_intel_caps *caps, u64 value)
{
    return !(value & ~(caps->general | (u64)caps->fixed << 32));
}

u64 pmu_intel_pebs_data(u32 granted, u64 value)
{
    return feature_granted(granted, FEATURE_LBR) ? value : value & ~PEBS_DATA_LBRS;
}

u64 pmu_intel_capabilities(u32 granted, const struct pmu_intel_limits *limits, u64 value)
{
    u64 given = PERF_CAP_FREEZE_WHILE_SMM | PERF_CAP_FULL_WIDTH;

    if (feature_granted(granted, FEATURE_LBR))
        given |= PERF_CAP_LBR_FMT;
    if (feature_granted(granted, FEATURE_PEBS))
        given |= PERF_CAP_PEBS | PERF_CAP_PEBS_BASELINE;
    if (limits->fixed >> FIXED_SLOTS & 1)
        given |= PERF_CAP_METRICS | PERF_CAP_METRICS_CLEAR;
    return value & given;
}

static u64 fixed_value(const struct pmu_intel_caps *caps, enum pmu_mode mode,
                       const struct pmu_intel_limits *limits, u64 value)
{
    if (mode == PMU_FILTERED)
        return pmu_intel_fixed_value(caps, limits, value);
    return mode == PMU_FULL ? value : 0;
}

/* Selectors, and FIXED_CTR_CTRL, as they are while nobody intercepts them. */
static void read_selectors(struct pmu_intel *pmu, const struct pmu_access *access)
{
    for (u32 i = 0; i < pmu->caps.counters; i++)
        if (!access->rdmsr(IA32_PERFEVTSEL0 + i, &pmu->shadow[i]))
            pmu->shadow[i] = 0;
}

static void read_fixed(struct pmu_intel *pmu, const struct pmu_access *access)
{
    if (!access->rdmsr(IA32_FIXED_CTR_CTRL, &pmu->fixed_ctrl))
        pmu->fixed_ctrl = 0;
}

static void write_all(struct pmu_intel *pmu, enum pmu_mode mode, const struct filter *filter,
                      const struct pmu_intel_limits *limits, const struct pmu_access *access)
{
    for (u32 i = 0; i < pmu->caps.counters; i++)
        access->wrmsr(IA32_PERFEVTSEL0 + i, pmu_intel_value(mode, filter, pmu->shadow[i]));
    access->wrmsr(IA32_FIXED_CTR_CTRL, fixed_value(&pmu->caps, mode, limits, pmu->fixed_ctrl));
    for (u32 i = 0; i < PMU_INTEL_AUX; i++)
        access->wrmsr(aux_registers[i].msr,
                      mode == PMU_OFF ? 0 : pmu_intel_aux_value(limits, i, pmu->aux[i]));
    pmu->fixed_kept = mode == PMU_OFF || (mode == PMU_FILTERED && limits->restricted);
    pmu->core.attention = pmu->caps.general; /* until somebody has looked */
    pmu->core.known.valid = false;
}

/* Of registers that the processor lacks the value stays 0. */
static void read_aux(struct pmu_intel *pmu, const struct pmu_access *access)
{
    for (u32 i = 0; i < PMU_INTEL_AUX; i++)
        if (!access->rdmsr(aux_registers[i].msr, &pmu->aux[i]))
            pmu->aux[i] = 0;
}

void pmu_intel_start(struct pmu_intel *pmu, enum pmu_mode mode, const struct filter *filter,
                     const struct pmu_intel_limits *limits, const struct pmu_access *access)
{
    static const u32 stopped[] = {IA32_PEBS_ENABLE, IA32_RTIT_CTL};

    *pmu = (struct pmu_intel){0};
    pmu_intel_discover(&pmu->caps, access);
    read_selectors(pmu, access);
    read_fixed(pmu, access);
    read_aux(pmu, access);
    write_all(pmu, mode, filter, limits, access);
    for (u32 i = 0; i < COUNT(stopped); i++)
        access->wrmsr(stopped[i], 0);
    lbr_intel_stop(access);
}

void pmu_intel_switch(struct pmu_intel *pmu, enum pmu_mode from, enum pmu_mode to,
                      const struct filter *filter, const struct pmu_intel_limits *limits,
                      const struct pmu_access *access)
{
    if (from == PMU_FULL)
        read_selectors(pmu, access);
    if (!pmu->fixed_kept)
        read_fixed(pmu, access);
    write_all(pmu, to, filter, limits, access);
}
