#include "pmu/denial.h"

static struct denial *find(struct denials *denials, u64 value)
{
    for (u32 i = 0; i < DENIAL_SLOTS; i++)
        if (denials->slot[i].value == value)
            return &denials->slot[i];
    return NULL;
}

static struct denial *oldest(struct denials *denials)
{
    struct denial *best = &denials->slot[0];

    for (u32 i = 1; i < DENIAL_SLOTS; i++)
        if (denials->slot[i].last < best->last)
            best = &denials->slot[i];
    return best;
}

static struct denial *take_slot(struct denials *denials, u64 value)
{
    struct denial *slot = denial_home(denials, value);

    if (slot->value)
        slot = find(denials, 0);
    if (slot)
        return slot;
    slot = oldest(denials);
    denials->forgotten += slot->count;
    return slot;
}

void denial_note(struct denials *denials, u64 value, u64 tsc, u64 rip, u64 cr3)
{
    struct denial *denial = find(denials, value);

    if (!denial) {
        denial = take_slot(denials, value);
        *denial = (struct denial){.value = value, .first = tsc, .rip = rip, .cr3 = cr3};
    }
    denial->count++;
    denial->last = tsc;
    denials->total++;
}
