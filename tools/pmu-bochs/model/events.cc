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
    Cache::Outcome outcome = cache.access(address);
    if (outcome == Cache::SAME_LINE)
        return;
    happened(CACHE_REFERENCES, tally.mode);
    if (outcome == Cache::MISS)
        happened(CACHE_MISSES, tally.mode);
}

} // namespace pmu
