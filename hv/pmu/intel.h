/* Intel's core PMU as a guest meets it: the hardware counters are its own, and each event selector
 * holds what the guest wrote or, where the policy denies that, nothing.
 *
 *     guest writes a selector --> pmu_intel_hardware_value() --> WRMSR --> pmu_intel_commit()
 *     guest reads a selector  --> pmu_intel_read()
 *
 * Likewise FIXED_CTR_CTRL, where the policy restricts it, and the registers that some events need
 * besides their selector. The host is not counted since GLOBAL_CTRL is 0 while it runs (hv/vmx/).
 *
 * SDM 20.2. Pure logic; MSRs are reached through struct pmu_access. */
#ifndef CEDE_PMU_INTEL_H
#define CEDE_PMU_INTEL_H

#include "pmu/core.h"
#include "pmu_policy.h"

#define PMU_INTEL_COUNTERS 10 /* PERFEVTSEL0-9 is what there is room for; CPUID says how many */
#define PMU_INTEL_ALL      (BIT(PMU_INTEL_COUNTERS) - 1) /* all selectors, as bits */
#define PMU_INTEL_AUX      10

#define IA32_PMC0                   0xc1  /* writes: 32 bits, sign-extended */
#define IA32_A_PMC0                 0x4c1 /* the same counters, writes in full width */
#define IA32_PERFEVTSEL0            0x186
#define IA32_FIXED_CTR0             0x309
#define IA32_PERF_CAPABILITIES      0x345
#define IA32_FIXED_CTR_CTRL         0x38d
#define IA32_PERF_GLOBAL_STATUS     0x38e
#define IA32_PERF_GLOBAL_CTRL       0x38f
#define IA32_PERF_GLOBAL_STATUS_SET 0x391  /* version 4 */
#define IA32_PMC_GP0_CFG_A          0x1901 /* version 6: PERFEVTSEL0, and each fourth MSR */
#define IA32_PEBS_ENABLE            0x3f1
#define IA32_RTIT_CTL               0x570
#define IA32_LBR_CTL                0x14ce

#define GLOBAL_FIXED(n) BIT(32 + (n)) /* in GLOBAL_CTRL and GLOBAL_STATUS */
/* Fixed counters 0 and 1 count instructions and core cycles (SDM table 20-2). */
#define GLOBAL_FIXED_CREDITED (GLOBAL_FIXED(0) | GLOBAL_FIXED(1))
#define FIXED_FIELD(c, n)     FIELD(c, 4 * (n) + 3, 4 * (n))
#define FIXED_OS              BIT(0) /* in a field of FIXED_CTR_CTRL */
#define FIXED_USR             BIT(1)
#define FIXED_ANY             BIT(2)
#define FIXED_PMI             BIT(3)
#define FIXED_CORE_CYCLES     1
#define FIXED_SLOTS           3 /* the counter that PERF_METRICS divides up */

/* What is left of a denied selector: nothing that names an event or enables one, and every bit that
 * is reserved on some processor, so that what faults bare does so under Cede. */
#define PERFEVTSEL_DENIED (MASK(63, 32) | EVTSEL_ANY)

/* DEBUGCTL, SDM 18.4.1 */
#define DEBUGCTL_BUS_LOCK         BIT(2)
#define DEBUGCTL_UNCORE_PMI       BIT(13)
#define DEBUGCTL_FREEZE_WHILE_SMM BIT(14)
#define DEBUGCTL_RTM              BIT(15)
#define DEBUGCTL_TRACES           MASK(10, 6) /* TR, BTS, BTINT, BTS_OFF_OS, BTS_OFF_USR */

/* PERF_CAPABILITIES, SDM volume 4, 345H */
#define PERF_CAP_LBR_FMT          MASK(5, 0)
#define PERF_CAP_FREEZE_WHILE_SMM BIT(12)
#define PERF_CAP_FULL_WIDTH       BIT(13)
#define PERF_CAP_METRICS          BIT(15)
#define PERF_CAP_METRICS_CLEAR    BIT(19) /* RDPMC can clear PERF_METRICS */

/* How Intel's selector looks to the filter. */
extern const struct filter_format filter_format_intel;

/* The architectural preset: the events that CPUID.0AH enumerated first, without modifiers. */
extern const struct filter_entry pmu_intel_architectural[7];

/* What a core has. Those of a hybrid differ: what one lacks faults there, as bare. */
struct pmu_intel_caps {
    u8 version;
    u8 counters; /* general-purpose; one more than the highest number */
    u8 width, fixed_width;
    u16 general, fixed; /* counters that exist, as bits */
    bool any_thread;    /* AnyThread acts (versions 3 and 4) */
    bool full_width;    /* A_PMC exists */
    bool hybrid;        /* other cores of this machine may have others */
    bool overcounts;    /* an exit and the entry after it count as an instruction: erratum SRF7 */
};

struct pmu_intel {
    struct pmu_core core;
    struct pmu_intel_caps caps;
    u64 shadow[PMU_INTEL_COUNTERS]; /* as the guest reads them: selectors, ... */
    u64 fixed_ctrl;                 /* ... FIXED_CTR_CTRL where it is intercepted ... */
    u64 aux[PMU_INTEL_AUX];         /* ... and what some events need besides */
    bool fixed_kept;                /* FIXED_CTR_CTRL is intercepted: fixed_ctrl is true */
};

/* What the policy says beyond the filter. */
struct pmu_intel_limits {
    u16 fixed;       /* fixed counters that may count, as bits */
    bool any_thread; /* they may do so for the sibling thread too */
    bool restricted; /* pmu_intel_fixed_restricted(): FIXED_CTR_CTRL is intercepted */
    const struct pmu_policy *policy; /* for auxiliary registers; NULL: none may hold anything */
};

void pmu_intel_discover(struct pmu_intel_caps *caps, const struct pmu_access *access);

/* Index of the counter whose selector this MSR is, through either name; -1 when it is no selector.
 */
static inline int pmu_intel_counter(u32 msr)
{
    u32 alias = msr - IA32_PMC_GP0_CFG_A;

    if (likely(msr - IA32_PERFEVTSEL0 < PMU_INTEL_COUNTERS))
        return (int)(msr - IA32_PERFEVTSEL0);
    return alias < 4 * PMU_INTEL_COUNTERS && alias % 4 == 0 ? (int)(alias / 4) : -1;
}

/* What the hardware selector gets in mode PMU_FILTERED. */
static inline u64 pmu_intel_hardware_value(const struct filter *filter, u64 value)
{
    return filter_allows(filter, value) ? value : value & PERFEVTSEL_DENIED;
}

/* The same for any mode. */
static inline u64 pmu_intel_value(enum pmu_mode mode, const struct filter *filter, u64 value)
{
    if (mode == PMU_FILTERED)
        return pmu_intel_hardware_value(filter, value);
    return mode == PMU_FULL ? value : 0;
}

/* For fast paths: whether hv/counters/credit.h may have to credit an emulated instruction, by
 * GLOBAL_CTRL as the exit saved it. */
static inline bool pmu_intel_may_credit(const struct pmu_intel *pmu, u64 global_ctrl)
{
    return global_ctrl && (pmu->core.attention || (global_ctrl & GLOBAL_FIXED_CREDITED));
}

/* Whether a selector may count what an emulated instruction does, so that `attention` is due. With
 * CMASK others may as well: where the policy allows that, `attention` stays set. */
static inline bool pmu_intel_needs_attention(u32 low)
{
    u8 event = (u8)low;

    return (event == 0xc0 || event == 0x3c) && (low & EVTSEL_EN);
}

/* Sets a shadow from a selector in two halves, as WRMSR has it. */
static inline void pmu_intel_set_shadow(struct pmu_intel *pmu, u32 counter, u32 low, u32 high)
{
    u32 __attribute__((may_alias)) *shadow = (u32 *)&pmu->shadow[counter];

    shadow[0] = low;
    shadow[1] = high;
}

/* After the WRMSR of `hardware`, the result for `value`, did not fault. Whether an event was
 * denied: a selector that is being cleared or prepared (EN clear) names none yet. */
static inline bool pmu_intel_commit(struct pmu_intel *pmu, u32 counter, u64 value, u64 hardware)
{
    pmu->shadow[counter] = value;
    if (pmu_intel_needs_attention((u32)hardware))
        pmu->core.attention |= (u16)BIT(counter);
    return value != hardware && (value & EVTSEL_EN);
}

/* What RDMSR of a selector gives where reads are intercepted. */
static inline u64 pmu_intel_read(const struct pmu_intel *pmu, enum pmu_mode mode, u32 counter)
{
    return mode == PMU_OFF ? 0 : pmu->shadow[counter];
}

/* What FIXED_CTR_CTRL gets on a core that has `caps`: 0 in the fields that the policy does not
 * allow, which do not count. Bits of counters that do not exist stay, and fault. */
u64 pmu_intel_fixed_value(const struct pmu_intel_caps *caps, const struct pmu_intel_limits *limits,
                          u64 value);

/* Whether any value that does not fault would be changed, so that FIXED_CTR_CTRL must be
 * intercepted: on all cores, of which this one knows nothing if it is a hybrid's. */
bool pmu_intel_fixed_restricted(const struct pmu_intel_caps *caps,
                                const struct pmu_intel_limits *limits);

/* Index of an auxiliary register, or -1, and what the register gets: the value, or 0 if the policy
 * does not allow it. */
int pmu_intel_aux(u32 msr);
u64 pmu_intel_aux_value(const struct pmu_intel_limits *limits, u32 index, u64 value);

/* Features that the policy grants beyond the core PMU (FEATURES_OF_POLICY). */
u32 pmu_intel_grants(enum pmu_mode mode, const struct filter *filter,
                     const struct pmu_intel_limits *limits);

/* What DEBUGCTL gets of the guest's value. LBR and UNCORE_PMI if `granted` (FEATURE_LBR,
 * FEATURE_UNCORE); BTS and trace messages never, since they write to memory or the bus; the rest is
 * the guest's, reserved bits included, which fault. */
u64 pmu_intel_debugctl(u32 granted, u64 value);

/* What the guest reads of PERF_CAPABILITIES: what is not given is not there. */
u64 pmu_intel_capabilities(u32 granted, const struct pmu_intel_limits *limits, u64 value);

/* At start, on each core: sees what it has, takes over what firmware left in the selectors, judged
 * by `mode`, and stops what writes to memory or has no place in a guest. */
void pmu_intel_start(struct pmu_intel *pmu, enum pmu_mode mode, const struct filter *filter,
                     const struct pmu_intel_limits *limits, const struct pmu_access *access);

/* On each core, with its guest out: from one mode, filter or limits to another. What is programmed
 * at that moment is judged again; values that were kept from the hardware come back. */
void pmu_intel_switch(struct pmu_intel *pmu, enum pmu_mode from, enum pmu_mode to,
                      const struct filter *filter, const struct pmu_intel_limits *limits,
                      const struct pmu_access *access);

#endif
