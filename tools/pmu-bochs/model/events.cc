/* Branches and memory accesses: from what the emulator reports to kinds of events. */
#include "core.h"

namespace pmu
{

void Core::conditional(uint64_t from, uint64_t to, bool taken)
{
    tally.taken = taken;
    tally.missed = predictor.conditional(from, taken);
    if (taken)
        branches.going(
            {from, to, CONDITIONAL_JUMP, (bool)tally.missed, tally.mode, tally.mode, 0, false});
}

static BranchKind kind_of(unsigned flags)
{
    if (flags & OP_RETURN)
        return NEAR_RETURN;
    if (flags & OP_CALL)
        return flags & OP_INDIRECT ? INDIRECT_CALL : RELATIVE_CALL;
    return flags & OP_INDIRECT ? INDIRECT_JUMP : RELATIVE_JUMP;
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
    branches.going(
        {from, to, kind_of(flags), (bool)tally.missed, tally.mode, tally.mode, 0, false});
}

/* Bochs delivers an INT n, INT3, INTO or INT1 like any event, and says afterwards that it was one.
 */
void Core::far(uint64_t from, uint64_t to, uint8_t to_mode, bool interrupt)
{
    if (interrupt && branches.delivering()) {
        tally.mode = branches.mode_before();
        branches.undelivered();
    }
    if (records_branches()) /* else retired() may not be asked */
        branches.going({from, to, FAR_TRANSFER, false, tally.mode, to_mode, 0, false});
}

/* Whatever the handler's first instruction is, its mode is to look like a change, so that
 * event_ends() comes before it. Nothing retires until then but a VM entry that injects, which is
 * the host's: from there the mode changes anyway. */
void Core::event_begins(uint64_t from, uint8_t mode, uint8_t vector)
{
    if (!records_branches() && !inspects())
        return;
    bool injected = (tally.mode ^ mode) & MODE_GUEST;
    if (!injected) {
        tick();
        enter_mode(MODE_UNKNOWN);
    }
    branches.delivers(from, mode, vector, injected);
}

void Core::event_ends(uint64_t handler, uint8_t mode)
{
    Branch branch;
    bool was = branches.delivered(handler, mode, &branch);
    if (was && records_branches())
        taken(branch);
    if (was)
        starts_at(handler);
}

void Core::event_lost()
{
    branches.undelivered();
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
    if (records_branches())
        branched(flags, tally.taken, tally.missed);
    tally.taken = tally.missed = 0;
    Branch branch;
    if (branches.retired(&branch) && records_branches())
        this->taken(branch);
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
