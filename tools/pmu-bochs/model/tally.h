/*
 * What one core has done so far, per mode, while anybody wanted to know.
 *
 * This is the part of the model that Bochs' main loop touches for every instruction (instrument.h),
 * so it is plain data without dependencies. Everything that decides, lives in core.h.
 */
#ifndef CEDE_PMU_TALLY_H
#define CEDE_PMU_TALLY_H

#include <cstdint>

namespace pmu
{

/* Where an instruction ran, sampled before it executes: SYSCALL counts as user, SYSRET as kernel.
 */
enum Mode : unsigned {
    MODE_USER = 1,
    MODE_GUEST = 2,
    MODES = 4,
    MODE_UNKNOWN = MODES /* none: the next instruction is a change of mode whatever its own is */
};

/* Bit n for mode n. */
constexpr unsigned HOST_MODES = 1u << 0 | 1u << MODE_USER;
constexpr unsigned GUEST_MODES = HOST_MODES << MODE_GUEST;

/* What the tally keeps. Cycles and slots are not here: they follow from instructions (core.h). */
enum Kind : unsigned {
    INSTRUCTIONS,
    BRANCHES,
    CONDITIONAL,
    CONDITIONAL_TAKEN,
    NEAR_TAKEN,
    NEAR_CALLS,
    NEAR_RETURNS,
    INDIRECT, /* near indirect jumps and calls */
    FAR_BRANCHES,
    MISSES, /* mispredicted branches, all kinds */
    CONDITIONAL_MISSES,
    CONDITIONAL_TAKEN_MISSES,
    TAKEN_MISSES,
    RETURN_MISSES,
    INDIRECT_MISSES,
    CACHE_REFERENCES,
    CACHE_MISSES,
    LOADS,      /* instructions that read memory */
    STORES,     /* ... that write it */
    SLOW_LOADS, /* ... whose read takes longer than the load-latency threshold */
    INTERRUPTS,
    REFERENCE_CYCLES, /* follows the TSC, not the instruction stream */
    KINDS
};

/* What an opcode is, looked up for every instruction while anything counts. */
enum OpcodeFlags : uint8_t {
    OP_BRANCH = 1,
    OP_REPEATED = 2, /* may be interrupted half-way, and counts only once it is through */
    OP_CONDITIONAL = 4,
    OP_CALL = 8,
    OP_RETURN = 16,
    OP_INDIRECT = 32,
    OP_FAR = 64,
    OP_ENTERS_GUEST = 128 /* VMRUN */
};

/* Why memory accesses are looked at: cache events are tallied, the next instruction is inspected.
 */
enum WatchMemory : uint8_t { WATCH_CACHE = 1, WATCH_INSTRUCTION = 2 };

/* Instructions are not tallied one by one: those since the last Core::flush() are armed - budget.
 */
struct alignas(1024) Tally {
    uint64_t count[KINDS][MODES + 1];
    int64_t budget; /* instructions until something must be looked at */
    int64_t armed;  /* what it was at the last flush */
    uint8_t mode;   /* of the instruction that executes now; stale while not `hot` */
    uint8_t hot;    /* instructions are to be tallied */
    /* OP_BRANCH when kinds of branches are tallied, OP_ENTERS_GUEST when VMRUN is one */
    uint8_t branch_flags;
    uint8_t watch_memory; /* WatchMemory */
    uint8_t watch_clock;  /* reference cycles are tallied */
    uint8_t taken;        /* of the branch that executes now */
    uint8_t missed;
    uint8_t touched; /* the instruction that executes now has accessed memory */
    uint64_t ip;     /* of it, while `hot` */
};

/* Cores whose tally is `hot`: one test of it is all that an instruction costs while nothing counts.
 */
extern unsigned hot_cores;

} // namespace pmu

#endif
