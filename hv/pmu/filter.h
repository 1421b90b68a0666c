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

#include "types.h"

/* One bit for each event select (12 bits; Intel's have 8) and umask, in the order in which they
 * stand in a selector: event select 11:8, umask, event select 7:0. */
#define FILTER_BITS (1U << 20)

/* Selector bits that both vendors place alike (APM 13.2.1, SDM 20.2.1.1). */
#define EVTSEL_EVENT MASK(7, 0)
#define EVTSEL_UMASK MASK(15, 8)
#define EVTSEL_USR   BIT(16)
#define EVTSEL_OS    BIT(17)
#define EVTSEL_EDGE  BIT(18)
#define EVTSEL_INT   BIT(20)
#define EVTSEL_EN    BIT(22)
#define EVTSEL_INV   BIT(23)
#define EVTSEL_CMASK MASK(31, 24)

/* What a vendor's selector looks like. */
struct filter_format {
    u64 event_high; /* selector bits that are event select bits 11:8, or 0 (must be 35:32) */
    u64 free;       /* bits that any selector may have: event, umask, rings, interrupt, enable */
    u64 modifiers;  /* bits that a policy may allow */
    u16 never;      /* when not 0: event selects with all of these bits set are never allowed */
};

/* Event selects first to last with every umask for which (umask & mask) == match. */
struct filter_entry {
    u16 first, last;
    u8 mask, match;
    bool exclude;
};

struct filter {
    u32 refused_low, refused_high; /* selector bits that must be clear */
    u32 event_high;                /* bits 3:0 of the upper half that are event select bits */
    u32 allowed[FILTER_BITS / 32];
};

/* Builds *filter from `count` entries; `modifiers` are the allowed ones, others than the format's
 * are ignored. Takes some 2^20 steps: for start-up and policy changes, not for exits. */
void filter_build(struct filter *filter, const struct filter_format *format, u64 modifiers,
                  const struct filter_entry *entries, u32 count);

/* Whether the event that a selector programs may be counted; whether it is enabled makes no
 * difference. A filter that is all zeros denies everything. Takes the selector as WRMSR has it, in
 * two halves: an exit has to put it together and take it apart for nothing otherwise. */
static inline bool filter_allows_halves(const struct filter *filter, u32 low, u32 high)
{
    u32 bit = (high & filter->event_high) << 16 | (low & 0xffff);

    if (unlikely(low & filter->refused_low))
        return false;
    /* Kept apart: two tests against memory, where the compiler would load, mask and merge. */
    __asm__ volatile("" : : : "memory");
    if (unlikely(high & filter->refused_high))
        return false;
    return filter->allowed[bit / 32] >> bit % 32 & 1;
}

static inline bool filter_allows(const struct filter *filter, u64 selector)
{
    return filter_allows_halves(filter, (u32)selector, (u32)(selector >> 32));
}

#endif
