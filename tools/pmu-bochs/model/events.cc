/* Branches and memory accesses: from what the emulator reports to kinds of events. */
#include "core.h"

namespace pmu
{

void Core::conditional(uint64_t from, bool taken)
{
    tally.taken = taken;
    tally.missed = predictor.conditional(from, taken);
}

/* A near jump, call or return that is always taken. */
void Core::jumped(uint64_t from, uint64_t to, unsigned flags)
{
    tally.taken = 1;
    tally.missed = 0;
    if (flags & OP_CALL)
        predictor.called(from);
    if (flags & OP_RETURN)
        tally.missed = predictor.returned(to);
    else if (flags & OP_INDIRECT)
        tally.missed = predictor.indirect(from, to);
}

/* Called for each branch while its kind matters, and for VMRUN where that is one. */
void Core::branch_retired(unsigned flags)
{
    unsigned mode = tally.mode;
    auto count = [&](bool which, Kind kind) {
        if (which)
            happened(kind, mode);
    };
    if (flags & OP_ENTERS_GUEST) {
        happened(BRANCHES, MODE_GUEST);
        return;
    }
    bool conditional = flags & OP_CONDITIONAL, near = !(flags & OP_FAR);
    bool taken = near && tally.taken, missed = near && tally.missed;
    bool indirect = (flags & OP_INDIRECT) && !(flags & OP_RETURN);
    count(!near, FAR_BRANCHES);
    count(conditional, CONDITIONAL);
    count(conditional && taken, CONDITIONAL_TAKEN);
    count(taken, NEAR_TAKEN);
    count(flags & OP_CALL, NEAR_CALLS);
    count(flags & OP_RETURN, NEAR_RETURNS);
    count(indirect, INDIRECT);
    count(missed, MISSES);
    count(missed && conditional, CONDITIONAL_MISSES);
    count(missed && conditional && taken, CONDITIONAL_TAKEN_MISSES);
    count(missed && taken, TAKEN_MISSES);
    count(missed && (flags & OP_RETURN), RETURN_MISSES);
    count(missed && indirect, INDIRECT_MISSES);
    tally.taken = tally.missed = 0;
}

void Core::accessed(uint64_t address)
{
    outcome = cache.access(address);
    if (outcome == Cache::SAME_LINE)
        return;
    happened(CACHE_REFERENCES, tally.mode);
    if (outcome == Cache::MISS)
        happened(CACHE_MISSES, tally.mode);
}

void Core::touched(uint64_t linear, bool loads, bool stores)
{
    if (!tally.touched)
        load = store = MemoryAccess();
    tally.touched = 1;
    if (loads && !load.made)
        load = {true, linear, outcome};
    if (stores && !store.made)
        store = {true, linear, outcome};
}

static unsigned latency_of(Cache::Outcome outcome)
{
    return outcome == Cache::SAME_LINE ? 5 : outcome == Cache::HIT ? 40 : 200;
}

/* Each instruction is one load at most, and one store. */
void Core::memory_retired()
{
    tally.touched = 0;
    if (load.made)
        happened(LOADS, tally.mode);
    if (store.made)
        happened(STORES, tally.mode);
    if (load.made && latency_of(load.outcome) > latency_threshold())
        happened(SLOW_LOADS, tally.mode);
}

/* Data sources (SDM 3B, "Data source encoding for load latency record"): 1 the first-level cache, 4
 * the last, 0AH local memory; of a store bit 0, that it hit the first. */
void Core::last_access(uint64_t *address, uint64_t *source, uint64_t *latency) const
{
    if (load.made) {
        *address = load.address;
        *source = load.outcome == Cache::SAME_LINE ? 1 : load.outcome == Cache::HIT ? 4 : 0xa;
        *latency = latency_of(load.outcome);
    } else if (store.made) {
        *address = store.address;
        *source = store.outcome == Cache::SAME_LINE;
    }
}

} // namespace pmu
