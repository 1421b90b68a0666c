/* The compiled allow-list of PMU events: one O(1) question, asked at every write of an event
 * selector.
 *
 * A selector names an event (event select and umask) and modifies how it is counted. An event is
 * allowed by at least one entry and excluded by none, in whatever order they stand (the semantics
 * of KVM's masked entries); beyond KVM, a selector with a modifier that the policy does not allow,
 * or with a bit that the format does not know, is refused whatever its event. Vendor-neutral and
 * pure: tools run this very code. */
#ifndef CEDE_PMU_FILTER_H
#define CEDE_PMU_FILTER_H

#include "pmu_policy.h"

/* One bit for each event select (12 bits; Intel's have 8) and umask, in the order in which they
 * stand in a selector: event select 11:8, umask, event select 7:0. */
#define FILTER_BITS (1U << 20)

/* Intel's selects leave 15 of the 16 planes of 64 Kbit free. They serve the values of UMASK2: one
 * plane each for up to 14 values that entries name, one for all others. */
#define FILTER_NAMED_UMASK2 14
#define FILTER_OTHER_UMASK2 15

/* Selector bits that both vendors place alike (APM 13.2.1, SDM 20.2.1.1). */
#define EVTSEL_EVENT    MASK(7, 0)
#define EVTSEL_UMASK    MASK(15, 8)
#define EVTSEL_USR      BIT(16)
#define EVTSEL_OS       BIT(17)
#define EVTSEL_EDGE     BIT(18)
#define EVTSEL_INT      BIT(20)
#define EVTSEL_ANY      BIT(21) /* Intel, perfmon 3 and 4: the sibling thread's events too */
#define EVTSEL_EN       BIT(22)
#define EVTSEL_INV      BIT(23)
#define EVTSEL_CMASK    MASK(31, 24)
#define EVTSEL_IN_TX    MASK(33, 32) /* Intel: IN_TX and IN_TXCP */
#define EVTSEL_ADAPTIVE BIT(34)      /* Intel: what PEBS writes is as PEBS_DATA_CFG says */
#define EVTSEL_EQ       BIT(36)      /* Intel, CPUID.23H: CMASK compares for equality */
#define EVTSEL_UMASK2   MASK(47, 40) /* Intel, CPUID.23H */

/* What a vendor's selector looks like. */
struct filter_format {
    u64 event_high; /* selector bits that are event select bits 11:8, or 0 (must be 35:32) */
    u64 umask2;     /* EVTSEL_UMASK2, or 0; never together with event_high */
    u64 free;       /* bits that any selector may have: event, umask, rings, interrupt, enable */
    u64 modifiers;  /* bits that a policy may allow */
    u8 never;       /* when not 0: selects whose low byte has all of these bits are never allowed */
};

struct filter {
    u32 refused_low, refused_high; /* selector bits that must be clear */
    u32 event_high;                /* bits 3:0 of the upper half that are event select bits */
    u32 umask2;                    /* bits 15:8 of the upper half that are UMASK2 */
    u32 allowed[FILTER_BITS / 32];
    u8 plane[256]; /* by UMASK2: which 64 Kbit of allowed[] it has; 0: none */
};

/* An empty filter, which denies everything; `modifiers` are the allowed ones, others than the
 * format's are ignored. */
void filter_start(struct filter *filter, const struct filter_format *format, u64 modifiers);

/* Allows or denies what an entry covers, whatever its `exclude` says. Whoever calls this adds what
 * is allowed first. At most 2^15 steps: for start-up and policy changes, not for exits. */
void filter_set(struct filter *filter, const struct filter_format *format,
                const struct filter_entry *entry, bool allowed);

/* Both for whole lists: excludes win wherever they stand. */
void filter_set_all(struct filter *filter, const struct filter_format *format,
                    const struct filter_entry *entries, u32 count);
void filter_build(struct filter *filter, const struct filter_format *format, u64 modifiers,
                  const struct filter_entry *entries, u32 count);

/* Whether the event that a selector programs may be counted; whether it is enabled makes no
 * difference. A filter that is all zeros denies everything. Takes the selector as WRMSR has it, in
 * two halves: an exit has to put it together and take it apart for nothing otherwise. Refuses every
 * selector with UMASK2, so that what refuses is the slower way: filter_allows() knows them. */
static inline bool filter_allows_halves(const struct filter *filter, u32 low, u32 high)
{
    u32 bit;

    if (unlikely(low & filter->refused_low))
        return false;
    /* Kept apart: two tests against memory, where the compiler would load, mask and merge. */
    __asm__ volatile("" : : : "memory");
    if (unlikely(high & filter->refused_high))
        return false;
    /* Not computed before: it would take a register more. */
    __asm__ volatile("" : "+r"(low), "+r"(high));
    bit = (high & filter->event_high) << 16 | (low & 0xffff);
    return filter->allowed[bit / 32] >> bit % 32 & 1;
}

/* The answer for selectors that have UMASK2, false for others. Inline: the fast path calls nothing.
 */
static inline bool filter_allows_umask2(const struct filter *filter, u32 low, u32 high)
{
    u32 plane = filter->plane[(high & filter->umask2) >> 8];
    u32 bit = plane << 16 | (low & 0xffff);

    if (!plane || low & filter->refused_low || high & ~filter->umask2 & filter->refused_high)
        return false;
    return filter->allowed[bit / 32] >> bit % 32 & 1;
}

static inline bool filter_allows(const struct filter *filter, u64 selector)
{
    u32 low = (u32)selector, high = (u32)(selector >> 32);

    return filter_allows_halves(filter, low, high) || filter_allows_umask2(filter, low, high);
}

#endif
