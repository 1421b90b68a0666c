/* AMD's core PMU as a guest meets it: the hardware counters are its own, and each event selector
 * holds either what the guest wrote, with counting confined to the guest, or nothing.
 *
 *     guest writes a selector --> pmu_amd_hardware_value() --> WRMSR --> pmu_amd_commit()
 *     guest reads a selector  --> pmu_amd_read()
 *
 * APM volume 2, 13.2. Pure logic; MSRs are reached through struct pmu_access. */
#ifndef CEDE_PMU_AMD_H
#define CEDE_PMU_AMD_H

#include "pmu/core.h"

#define PMU_AMD_COUNTERS 6

#define MSR_PERF_LEGACY_CTL 0xc0010000 /* PerfEvtSel0-3: aliases of PERF_CTL0-3 */
#define MSR_PERF_LEGACY_CTR 0xc0010004
#define MSR_PERF_CTL        0xc0010200 /* PERF_CTL0-5, every second MSR */
#define MSR_PERF_CTR        0xc0010201
#define PMU_AMD_ALL         (BIT(PMU_AMD_COUNTERS) - 1) /* all selectors, as bits */
#define PMU_AMD_WIDTH       48

#define MSR_PERF_GLOBAL_STATUS     0xc0000300 /* PerfMonV2 */
#define MSR_PERF_GLOBAL_CTL        0xc0000301
#define MSR_PERF_GLOBAL_STATUS_SET 0xc0000303

#define MSR_DBG_EXTN_CFG 0xc000010f /* LBRV2EN: the stack of branch records records */

#define MSR_IBS_FETCH_CTL 0xc0011030 /* instruction-based sampling: controls, and samples */
#define MSR_IBS_OP_CTL    0xc0011033
#define MSR_IBS_CTL       0xc001103a /* which extended LVT entry interrupts: the firmware's */
#define MSR_IBS_LAST      0xc001103d

#define MSR_LLC_CTL 0xc0010230 /* L2I on family 16h, L3 from 17h on: 6 pairs */
#define MSR_NB_CTL  0xc0010240 /* northbridge, later data fabric: 4 pairs, up to 16 in all */

#define PERF_CTL_EVENT_HIGH MASK(35, 32)
#define PERF_CTL_GUEST_ONLY BIT(40)
#define PERF_CTL_HOST_ONLY  BIT(41)
#define PERF_CTL_RESERVED   (MASK(63, 42) | MASK(39, 36) | BIT(21) | BIT(19))
#define PERF_EVENT_MERGE    0xfff /* makes a counter the upper half of its neighbour, EN or not */
#define PERF_CTL_MERGE      (MASK(35, 32) | MASK(7, 0)) /* the same as selector bits */

/* How an AMD selector looks to the filter. Selects whose low byte is E0-FF count in the northbridge
 * on families 10h to 16h, and FFFh is the merge event: never allowed. */
extern const struct filter_format filter_format_amd;

/* The architectural preset: cycles, reference cycles, instructions, branches, branch misses, cache
 * references and misses, as Linux encodes them for this family; no modifiers. */
const struct filter_entry *pmu_amd_architectural(u32 family, u32 *count);

struct pmu_amd {
    struct pmu_core core;
    u64 shadow[PMU_AMD_COUNTERS]; /* selectors as the guest reads them */
};

/* What this processor has. */
struct pmu_amd_caps {
    u8 counters;      /* 4, or 6, or as PerfMonV2 says */
    bool extended;    /* PERF_CTL and PERF_CTR exist (PerfCtrExtCore) */
    bool perfmon_v2;  /* global control and status (C0000300-303) */
    bool northbridge; /* NB counters (PerfCtrExtNB) */
    bool llc;         /* L2I or L3 counters (PerfCtrExtLLC) */
    bool lbr_stack;   /* branch records in a stack (LbrExtV2) */
    bool ibs;         /* instruction-based sampling */
};

void pmu_amd_discover(struct pmu_amd_caps *caps, const struct pmu_access *access);

/* Features that the policy grants beyond the core PMU (FEATURES_OF_POLICY). What IRPerf counts
 * cannot be confined to the guest, so that no list allows it. */
u32 pmu_amd_grants(enum pmu_mode mode, const struct filter *filter);

/* What DebugCtl gets of the guest's value: without the last-branch record, which would hold the
 * hypervisor's branches, unless it is granted. */
u64 pmu_amd_debugctl(u32 granted, u64 value);

/* The MSRs of a counter that exists. */
static inline u32 pmu_amd_selector_msr(const struct pmu_amd_caps *caps, u32 counter)
{
    return caps->extended ? MSR_PERF_CTL + 2 * counter : MSR_PERF_LEGACY_CTL + counter;
}

static inline u32 pmu_amd_counter_msr(const struct pmu_amd_caps *caps, u32 counter)
{
    return caps->extended ? MSR_PERF_CTR + 2 * counter : MSR_PERF_LEGACY_CTR + counter;
}

/* Index of the counter whose selector this MSR is, through either name; -1 when it is no selector.
 */
static inline int pmu_amd_counter(u32 msr)
{
    if (likely(msr - MSR_PERF_CTL < 2 * PMU_AMD_COUNTERS) && likely(!(msr & 1)))
        return (int)((msr - MSR_PERF_CTL) / 2);
    return msr - MSR_PERF_LEGACY_CTL < 4 ? (int)(msr - MSR_PERF_LEGACY_CTL) : -1;
}

/* The upper half of an allowed selector as the hardware gets it. */
static inline u32 pmu_amd_allowed_high(u32 high)
{
    return (high | PERF_CTL_GUEST_ONLY >> 32) & ~(u32)(PERF_CTL_HOST_ONLY >> 32);
}

/* What the hardware selector gets in mode PMU_FILTERED. An allowed event counts the guest only,
 * whatever the guest asked for. Of a denied one only the reserved bits are left: a processor that
 * faults on them still does, and nothing counts (a denied value with EN clear could still be a
 * merge event). */
static inline u64 pmu_amd_hardware_value(const struct filter *filter, u64 value)
{
    if (!filter_allows(filter, value))
        return value & PERF_CTL_RESERVED;
    return (u64)pmu_amd_allowed_high((u32)(value >> 32)) << 32 | (u32)value;
}

/* The same for any mode. */
static inline u64 pmu_amd_value(enum pmu_mode mode, const struct filter *filter, u64 value)
{
    if (mode == PMU_FILTERED)
        return pmu_amd_hardware_value(filter, value);
    return mode == PMU_FULL ? value : 0;
}

/* Whether the guest's value has bits that processors may drop or keep (Milan keeps 19 and 42): then
 * what the guest will read is pmu_amd_merge_reserved() of its value and of the selector read back.
 */
static inline bool pmu_amd_has_reserved(u64 value)
{
    return value & PERF_CTL_RESERVED;
}

static inline u64 pmu_amd_merge_reserved(u64 value, u64 read_back)
{
    return (value & ~PERF_CTL_RESERVED) | (read_back & PERF_CTL_RESERVED);
}

/* Whether a selector names an event, so that denying it is worth a note: not one that is being
 * cleared or prepared (EN clear), unless it is a merge event. */
static inline bool pmu_amd_names_event(u64 value)
{
    bool merge = (value & (PERF_CTL_EVENT_HIGH | EVTSEL_EVENT)) == PERF_CTL_MERGE;

    return (value & EVTSEL_EN) || merge;
}

/* Whether a selector may count what an emulated instruction does, so that `attention` is due. With
 * CMASK others may as well: where the policy allows that, `attention` stays set. */
static inline bool pmu_amd_needs_attention(u32 low)
{
    u8 event = (u8)low;

    return (event == 0xc0 || event == 0x76) && (low & EVTSEL_EN);
}

/* A selector as WRMSR has it. */
struct selector_halves {
    u32 low, high;
} __attribute__((may_alias));

/* For fast paths: the shadow of a PERF_CTL, or NULL. The older names, which only family 10h needs,
 * are left to the slow way. */
static inline struct selector_halves *pmu_amd_shadow(struct pmu_amd *pmu, u32 msr)
{
    u32 offset = msr - MSR_PERF_CTL;

    if (unlikely(offset >= 2 * PMU_AMD_COUNTERS) || unlikely(msr & 1))
        return NULL;
    return (struct selector_halves *)((u8 *)pmu->shadow + (u64)offset * 4);
}

/* After the WRMSR of `hardware`, the result for `value`, did not fault. Whether an event was
 * denied.
 */
static inline bool pmu_amd_commit(struct pmu_amd *pmu, u32 counter, u64 value, u64 hardware)
{
    pmu->shadow[counter] = value;
    if (!(hardware & PERF_CTL_GUEST_ONLY))
        return pmu_amd_names_event(value);
    if (pmu_amd_needs_attention((u32)hardware))
        pmu->core.attention |= (u16)BIT(counter);
    return false;
}

/* What RDMSR of a selector gives where reads are intercepted (PMU_FILTERED, PMU_OFF). */
static inline u64 pmu_amd_read(const struct pmu_amd *pmu, enum pmu_mode mode, u32 counter)
{
    return mode == PMU_OFF ? 0 : pmu->shadow[counter];
}

/* Stops instruction-based sampling and forgets its samples. */
void pmu_amd_clear_ibs(const struct pmu_amd_caps *caps, const struct pmu_access *access);

/* At start, on each core: takes over what firmware left in the selectors, judged by `mode`, and
 * stops the last-branch record and sampling, and stops and zeroes the shared counters, which RDPMC
 * reaches (indices 6 and up). */
void pmu_amd_start(struct pmu_amd *pmu, const struct pmu_amd_caps *caps, enum pmu_mode mode,
                   const struct filter *filter, const struct pmu_access *access);

/* On each core, with its guest out: from one mode or filter to another. What is programmed at that
 * moment is judged again; values that PMU_OFF or a filter kept from the hardware come back. */
void pmu_amd_switch(struct pmu_amd *pmu, const struct pmu_amd_caps *caps, enum pmu_mode from,
                    enum pmu_mode to, const struct filter *filter, const struct pmu_access *access);

#endif
