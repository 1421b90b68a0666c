#include "predictor.h"

#include <cstring>

namespace pmu
{

enum : uint64_t { NEVER_TAKEN = 0, LIKELY_TAKEN = 2, ALWAYS_TAKEN = 3 };

/* An entry that was never used has `from` 0, which is no branch's address in practice. */
Predictor::Entry *Predictor::find(Entry *table, uint64_t from, uint64_t fresh)
{
    uint64_t start = (from * 0x9e3779b97f4a7c15ULL) >> 50;
    for (unsigned probe = 0; probe < PROBES; probe++) {
        Entry *entry = &table[(start + probe) % PLACES];
        if (entry->from == from)
            return entry;
        if (entry->from == 0) {
            *entry = {from, fresh};
            return entry;
        }
    }
    table[start % PLACES] = {from, fresh};
    return &table[start % PLACES];
}

bool Predictor::conditional(uint64_t from, bool taken)
{
    uint64_t *state = &find(directions, from, LIKELY_TAKEN)->state;
    bool missed = (*state >= LIKELY_TAKEN) != taken;
    if (taken && *state < ALWAYS_TAKEN)
        ++*state;
    if (!taken && *state > NEVER_TAKEN)
        --*state;
    return missed;
}

bool Predictor::indirect(uint64_t from, uint64_t to)
{
    uint64_t *target = &find(targets, from, 0)->state;
    bool missed = *target != to;
    *target = to;
    return missed;
}

void Predictor::called(uint64_t from)
{
    callers[depth++ % DEPTH] = from;
}

bool Predictor::returned(uint64_t to)
{
    uint64_t from = callers[--depth % DEPTH];
    return to <= from || to > from + LONGEST_CALL;
}

void Predictor::forget()
{
    memset(directions, 0, sizeof directions);
    memset(callers, 0, sizeof callers);
    depth = 0;
    forget_indirect();
}

void Predictor::forget_indirect()
{
    memset(targets, 0, sizeof targets);
}

} // namespace pmu
