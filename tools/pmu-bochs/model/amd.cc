#include "amd.h"

#include <cstring>

namespace pmu
{

enum : uint64_t {
    EN = 1ULL << 22,
    GUEST_ONLY = 1ULL << 40,
    HOST_ONLY = 1ULL << 41,
    /* Reserved bits 63:42, 39:36, 21 and 19 are cleared, not refused: what silicon does, as KVM
     * found (unverified in the APM). */
    SELECT_BITS = 0x0000030fffd7ffffULL,
    ALL_COUNTERS = (1ULL << Amd::COUNTERS) - 1,
    LBR_FREEZE = 1ULL << 58,
    PMC_FREEZE = 1ULL << 59,
    FREEZE_PERFMON_ON_PMI = 1ULL << 12,
    DEBUGCTL_BITS = 0x1803, /* LBR, BTF, freezes */
    HWCR_IRPERF_EN = 1ULL << 30,
    HWCR_TSC_FREQ_SEL = 1ULL << 24, /* read-only one */
};

static const struct {
    uint16_t select;
    uint8_t umask;
    bool any_umask;
    Event event;
} events[] = {
    {0x076, 0, true, CYCLES},                 /* cycles not in halt */
    {0x0c0, 0, true, {INSTRUCTIONS, 1}},      /* retired instructions */
    {0x0c2, 0, true, {BRANCHES, 1}},          /* retired branches */
    {0x0c3, 0, true, {MISSES, 1}},            /* ... mispredicted */
    {0x0c4, 0, true, {NEAR_TAKEN, 1}},        /* ... taken */
    {0x0c5, 0, true, {TAKEN_MISSES, 1}},      /* ... taken, mispredicted */
    {0x0c6, 0, true, {FAR_BRANCHES, 1}},      /* ... far */
    {0x0c8, 0, true, {NEAR_RETURNS, 1}},      /* ... near returns */
    {0x0c9, 0, true, {RETURN_MISSES, 1}},     /* ... near returns, mispredicted */
    {0x0ca, 0, true, {INDIRECT_MISSES, 1}},   /* ... indirect, mispredicted */
    {0x0cc, 0, true, {INDIRECT, 1}},          /* ... indirect */
    {0x0d1, 0, true, {CONDITIONAL, 1}},       /* ... conditional: what rr uses */
    {0x120, 1, false, {REFERENCE_CYCLES, 1}}, /* cycles not in halt at P0's frequency */
    {0x02c, 0, true, {INTERRUPTS, 1}},        /* interrupts taken */
    {0x060,
     0xff,
     false,
     {CACHE_REFERENCES, 1}}, /* what Linux takes for cache references and misses */
    {0x064, 0x09, false, {CACHE_MISSES, 1}},
};

Event amd_event(unsigned select, unsigned umask)
{
    for (const auto &known : events)
        if (known.select == select && (known.any_umask || known.umask == umask))
            return known.event;
    return NOTHING;
}

Amd::Amd(Tally &tally, Machine &machine, const Options &chosen)
    : Core(tally, machine, chosen.skid), options(chosen)
{
    reset();
}

void Amd::reset()
{
    clear();
    memset(select, 0, sizeof select);
    status = debug = 0;
    hwcr = HWCR_TSC_FREQ_SEL;
    global = ALL_COUNTERS;
    for (unsigned k = 0; k < COUNTERS; k++)
        mask[k] = (1ULL << WIDTH) - 1;
}

/* APM 13.2.1: GuestOnly and HostOnly filter while EFER.SVME is set; neither and both count in host
 * and guest. */
static unsigned sides(uint64_t select, bool svm)
{
    uint64_t filter = svm ? select & (GUEST_ONLY | HOST_ONLY) : 0;
    return filter == GUEST_ONLY  ? GUEST_MODES
           : filter == HOST_ONLY ? HOST_MODES
                                 : HOST_MODES | GUEST_MODES;
}

Setting Amd::setting(unsigned k) const
{
    Setting what;
    if (k == IRPERF) { /* PPR: counts at all privilege levels while HWCR[IRPerfEn] (section
                          unverified) */
        what.event = {INSTRUCTIONS, 1};
        what.modes = hwcr & HWCR_IRPERF_EN ? HOST_MODES | GUEST_MODES : 0;
        return what;
    }
    uint64_t s = select[k];
    if (!(s & EN) || (options.v2 && (!(global >> k & 1) || (status & PMC_FREEZE))))
        return what;
    unsigned kernel = s >> 17 & 1 ? 1u << 0 | 1u << MODE_GUEST : 0;
    unsigned user = s >> 16 & 1 ? 1u << MODE_USER | 1u << (MODE_USER | MODE_GUEST) : 0;
    what.event =
        amd_event((unsigned)(s & 0xff) | (unsigned)(s >> 24 & 0xf00), (unsigned)(s >> 8) & 0xff);
    what.modes = (kernel | user) & sides(s, machine.svm_enabled());
    what.edge = s >> 18 & 1;
    what.interrupts = s >> 20 & 1;
    what.invert = s >> 23 & 1;
    what.threshold = (unsigned)(s >> 24) & 0xff;
    return what;
}

bool Amd::overflowed(unsigned k)
{
    if (k < COUNTERS && options.v2)
        status |= 1ULL << k;
    return true;
}

void Amd::interrupting()
{
    if (options.v2 && (debug & FREEZE_PERFMON_ON_PMI))
        status |= PMC_FREEZE;
}

Amd::Place Amd::find(uint32_t msr)
{
    if (msr >= K7_EVNTSEL0 && msr < K7_EVNTSEL0 + K7_COUNTERS)
        return {true, true, msr - K7_EVNTSEL0};
    if (msr >= K7_PERFCTR0 && msr < K7_PERFCTR0 + K7_COUNTERS)
        return {true, false, msr - K7_PERFCTR0};
    if (msr >= PERF_CTL0 && msr < PERF_CTL0 + 2 * COUNTERS)
        return {true, !(msr & 1), (msr - PERF_CTL0) / 2};
    return {false, false, 0};
}

/* APM 13.2.3: indices 0 to 5 are the core's; northbridge and L3 counters are absent. */
bool Amd::rdpmc(uint32_t index, uint64_t *value)
{
    if (index >= COUNTERS)
        return false;
    *value = read(index);
    return true;
}

Access Amd::rdmsr(uint32_t msr, uint64_t *value)
{
    Place place = find(msr);
    if (place.found) {
        *value = place.selector ? select[place.counter] : read(place.counter);
        return DONE;
    }
    switch (msr) {
    case IRPERF_COUNT:
        *value = read(IRPERF);
        return DONE;
    case HWCR:
        *value = hwcr;
        return DONE;
    case AMD_DEBUGCTL:
        *value = debug;
        return DONE;
    case PERF_GLOBAL_STATUS:
    case PERF_GLOBAL_CTL:
    case PERF_GLOBAL_STATUS_CLR:
    case PERF_GLOBAL_STATUS_SET:
        *value = msr == PERF_GLOBAL_STATUS ? status : msr == PERF_GLOBAL_CTL ? global : 0;
        return options.v2 ? DONE : UNKNOWN;
    default:
        return UNKNOWN;
    }
}

Access Amd::wrmsr(uint32_t msr, uint64_t value)
{
    Place place = find(msr);
    if (place.found && !place.selector) {
        write(place.counter, value);
        return DONE;
    }
    if (place.found) {
        select[place.counter] = value & SELECT_BITS;
        changed();
        return DONE;
    }
    switch (msr) {
    case IRPERF_COUNT: /* read-only unless HWCR[IRPerfLock] is clear; the model lets it be written
                        */
        write(IRPERF, value);
        return DONE;
    case HWCR:
        hwcr = value | HWCR_TSC_FREQ_SEL;
        changed();
        return DONE;
    case AMD_DEBUGCTL:
        if (value & ~DEBUGCTL_BITS)
            return FAULT;
        debug = value;
        return DONE;
    default:
        return options.v2 ? write_global(msr, value) : UNKNOWN;
    }
}

/* PPR 19h model 11h, PerfMonV2. That reserved bits fault is as KVM has it (unverified). */
Access Amd::write_global(uint32_t msr, uint64_t value)
{
    const uint64_t state = ALL_COUNTERS | LBR_FREEZE | PMC_FREEZE;
    switch (msr) {
    case PERF_GLOBAL_STATUS:
        return FAULT;
    case PERF_GLOBAL_CTL:
        if (value & ~ALL_COUNTERS)
            return FAULT;
        global = value;
        break;
    case PERF_GLOBAL_STATUS_CLR:
        status &= ~(value & state);
        break;
    case PERF_GLOBAL_STATUS_SET:
        if (value & ~state)
            return FAULT;
        status |= value;
        break;
    default:
        return UNKNOWN;
    }
    changed();
    return DONE;
}

} // namespace pmu
