/* Which events were denied, by whom and how often: a small table per core. Its core writes it, any
 * may read it; a reader who needs a consistent row stops the core first (hv/kick.h). */
#ifndef CEDE_PMU_DENIAL_H
#define CEDE_PMU_DENIAL_H

#include "types.h"

#define DENIAL_SLOTS 16 /* a power of two */

struct denial {
    u64 value;       /* the selector as the guest wrote it: event and modifiers; 0: an empty slot */
    u64 count;       /* how often, since `first` */
    u64 first, last; /* TSC */
    u64 rip, cr3;    /* the guest's, at the first: where and in which address space */
};

struct denials {
    u64 total;
    u64 forgotten; /* of these, counts whose slot was needed for another event */
    struct denial slot[DENIAL_SLOTS];
};

/* Where a selector's row is, if it was lucky. */
static inline struct denial *denial_home(struct denials *denials, u64 value)
{
    return &denials->slot[(value ^ value >> 8) & (DENIAL_SLOTS - 1)];
}

/* The common case, for exit paths that may call nothing: a repeated denial. False: denial_note().
 */
static inline bool denial_note_again(struct denials *denials, u64 value, u64 tsc)
{
    struct denial *denial = denial_home(denials, value);

    if (unlikely(denial->value != value))
        return false;
    denial->count++;
    denial->last = tsc;
    denials->total++;
    return true;
}

/* `value` must not be 0. When all slots are taken, the event that was last denied longest ago is
 * forgotten. */
void denial_note(struct denials *denials, u64 value, u64 tsc, u64 rip, u64 cr3);

#endif
