/* What Intel's event encodings count (SDM 20.2.1.2 for the architectural ones, perfmon's tables for
 * the rest). */
#include "intel.h"

namespace pmu
{

/* Reference cycles of a general-purpose counter run at the TSC's rate, as the fixed counter's do.
 */
static const struct {
    uint8_t select, umask;
    Event event;
} events[] = {
    {0x3c, 0x00, CYCLES},                 /* UnHalted Core Cycles */
    {0x3c, 0x01, {REFERENCE_CYCLES, 1}},  /* UnHalted Reference Cycles */
    {0xc0, 0x00, {INSTRUCTIONS, 1}},      /* Instruction Retired */
    {0xc0, 0x01, {INSTRUCTIONS, 1}},      /* INST_RETIRED.PREC_DIST */
    {0x2e, 0x4f, {CACHE_REFERENCES, 1}},  /* LLC Reference */
    {0x2e, 0x41, {CACHE_MISSES, 1}},      /* LLC Misses */
    {0xc4, 0x00, {BRANCHES, 1}},          /* Branch Instruction Retired */
    {0xc5, 0x00, {MISSES, 1}},            /* Branch Misses Retired */
    {0xa4, 0x01, SLOTS},                  /* Topdown Slots */
    {0xc4, 0x01, {CONDITIONAL_TAKEN, 1}}, /* BR_INST_RETIRED.COND_TAKEN */
    {0xc4, 0x02, {NEAR_CALLS, 1}},        /* BR_INST_RETIRED.NEAR_CALL */
    {0xc4, 0x08, {NEAR_RETURNS, 1}},      /* BR_INST_RETIRED.NEAR_RETURN */
    {0xc4, 0x11, {CONDITIONAL, 1}},       /* BR_INST_RETIRED.COND: what rr uses */
    {0xc4, 0x20, {NEAR_TAKEN, 1}},        /* BR_INST_RETIRED.NEAR_TAKEN */
    {0xc4, 0x40, {FAR_BRANCHES, 1}},      /* BR_INST_RETIRED.FAR_BRANCH */
    {0xc4, 0x80, {INDIRECT, 1}},          /* BR_INST_RETIRED.INDIRECT */
    {0xc5, 0x01, {CONDITIONAL_TAKEN_MISSES, 1}},
    {0xc5, 0x11, {CONDITIONAL_MISSES, 1}},
    {0xc5, 0x20, {TAKEN_MISSES, 1}},
    {0xc5, 0x80, {INDIRECT_MISSES, 1}},
    {0xcd, 0x01, {SLOW_LOADS, 1}}, /* MEM_TRANS_RETIRED.LOAD_LATENCY */
    {0xd0, 0x81, {LOADS, 1}},      /* MEM_INST_RETIRED.ALL_LOADS */
    {0xd0, 0x82, {STORES, 1}},     /* MEM_INST_RETIRED.ALL_STORES */
    {0xcb, 0x01, {INTERRUPTS, 1}}, /* HW_INTERRUPTS.RECEIVED */
};

Event intel_event(unsigned select, unsigned umask)
{
    for (const auto &known : events)
        if (known.select == select && known.umask == umask)
            return known.event;
    return NOTHING;
}

Event intel_fixed_event(unsigned number)
{
    static const Event fixed[] = {{INSTRUCTIONS, 1}, CYCLES, {REFERENCE_CYCLES, 1}, SLOTS};
    return fixed[number];
}

/*
 * Topdown, level 1 (SDM 20.3.9.3). Each cycle has four slots: one retires an instruction, and the
 * other three are lost to bad speculation in the cycle of a mispredicted branch, to the frontend in
 * that of a branch that is taken as predicted, else to the backend. The rule is the model's own;
 * what hardware promises is that the four sum to the slots.
 */
void Intel::metric_slots(uint64_t slots[METRICS]) const
{
    unsigned field = (unsigned)(fixed_ctrl >> 12) & FIXED_ENABLE;
    unsigned modes = (field & 1 ? 5 : 0) | (field & 2 ? 10 : 0);
    uint64_t cycles = grown(INSTRUCTIONS, modes);
    uint64_t missed = grown(MISSES, modes);
    uint64_t taken = grown(NEAR_TAKEN, modes) - grown(TAKEN_MISSES, modes);
    slots[RETIRING] = cycles;
    slots[BAD_SPECULATION] = 3 * missed;
    slots[FRONTEND] = 3 * taken;
    slots[BACKEND] = 3 * (cycles - missed - taken);
}

void Intel::fold_metrics()
{
    flush();
    uint64_t slots[METRICS];
    metric_slots(slots);
    for (unsigned k = 0; k < METRICS; k++) {
        if (watches_metrics())
            metrics_base[k] += slots[k] - metrics_seen[k];
        metrics_seen[k] = slots[k];
    }
}

uint64_t Intel::read_metrics()
{
    uint64_t total = 0, value = 0, given = 0;
    fold_metrics();
    for (uint64_t slots : metrics_base)
        total += slots;
    if (total == 0)
        return 0;
    for (unsigned k = 0; k < METRICS; k++) { /* bytes that sum to exactly FFH */
        uint64_t part = k == BACKEND ? 0xff - given : metrics_base[k] * 0xff / total;
        value |= part << 8 * k;
        given += part;
    }
    return value;
}

/* The fractions written are of the slots that fixed counter 3 holds, so software writes the counter
 * first. */
void Intel::write_metrics(uint64_t value)
{
    uint64_t counted = read(options.gp + 3);
    flush();
    metric_slots(metrics_seen);
    for (unsigned k = 0; k < METRICS; k++)
        metrics_base[k] = (value >> 8 * k & 0xff) * (counted / 0xff);
}

} // namespace pmu
