/* What was denied, where and how often: a small table per core. Its core writes it, any may read
 * it; a reader who needs a consistent row stops the core first (hv/guest/kick.h). */
#ifndef CEDE_PMU_DENIAL_H
#define CEDE_PMU_DENIAL_H

#include "types.h"

#define DENIAL_EVENTS    16 /* a power of two */
#define DENIAL_REGISTERS 4
#define DENIAL_ROWS      (DENIAL_EVENTS + DENIAL_REGISTERS)

struct denial {
    union {
        u64 value; /* as the guest wrote it, of a selector event and modifiers; 0: an empty row */
        struct {
            u32 low, high;
        };
    };
    u64 count; /* how often, since `first` */
    u64 first; /* TSC, and of the last: */
    union {
        u64 last;
        struct {
            u32 last_low, last_high;
        };
    };
    u64 rip, cr3; /* the guest's, at the first: where and in which address space */
    u64 msr;      /* 0: an event selector; else the register that was to have this value */
    u64 unused;   /* a power of two in size: one instruction less to find it */
};

/* Selectors in the first rows, other registers in the rest: a value means one thing in each. */
struct denials {
    u64 forgotten; /* counts whose row was needed for another value */
    struct denial row[DENIAL_ROWS];
};

/* Where a selector's row is, if it was lucky. */
static inline struct denial *denial_home(struct denials *denials, u32 low)
{
    return &denials->row[(low ^ low >> 8) & (DENIAL_EVENTS - 1)];
}

/* For fast paths, which may call nothing: counts a denial of a selector's value, or is
 * false if it was not denied before, or not lately; then the slow way notes it. */
static inline bool denial_again(struct denials *denials, u32 low, const u64 *high)
{
    struct denial *row = denial_home(denials, low);

    __asm__("" : "+r"(row)); /* computed once, not for each of its members */
    if (unlikely(row->low != low))
        return false;
    if (unlikely(row->high != (u32)*high))
        return false;
    row->count++;
    __asm__ volatile("rdtsc" : "=a"(row->last_low), "=d"(row->last_high));
    return true;
}

/* All that were denied so far. */
u64 denials_total(const struct denials *denials);

/* A denied value, with `count` 0; `msr` 0 for a selector's, which must not be 0. When all rows are
 * taken, the one that was used longest ago is forgotten. */
void denial_note(struct denials *denials, const struct denial *what);

#endif
