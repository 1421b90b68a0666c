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
    : Core(tally, machine, chosen.skid), options(chosen), lbr(chosen.lbrv2)
{
    reset();
}

void Amd::reset()
{
    clear();
    memset(select, 0, sizeof select);
    status = 0;
    lbr.reset();
    ibs.reset();
    hwcr = HWCR_TSC_FREQ_SEL;
    global = ALL_COUNTERS;
    for (unsigned k = 0; k < COUNTERS; k++)
        mask[k] = (1ULL << WIDTH) - 1;
    for (unsigned kind = 0; kind < Ibs::KINDS_OF_SAMPLES; kind++)
        mask[IBS_COUNTER + kind] = (1ULL << WIDTH) - 1;
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
    if (k >= IBS_COUNTER) { /* in the host too: SVM's filters are the core counters' */
        what.event = {INSTRUCTIONS, 1};
        what.modes = ibs.counts((Ibs::Kind)(k - IBS_COUNTER)) ? HOST_MODES | GUEST_MODES : 0;
        return what;
    }
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
    if (k >= IBS_COUNTER)
        ibs.tag((Ibs::Kind)(k - IBS_COUNTER), machine.next_ip());
    return true;
}

void Amd::interrupting()
{
    if (options.v2 && lbr.freezes_counters())
        status |= PMC_FREEZE;
    if (options.v2 && lbr.freezes())
        status |= LBR_FREEZE;
}

bool Amd::frozen() const
{
    return status & LBR_FREEZE;
}

bool Amd::records_branches() const
{
    return lbr.records(frozen()) || ibs.enabled(Ibs::OP);
}

void Amd::taken(const Branch &branch)
{
    lbr.taken(branch, frozen());
    if (branch.kind != EVENT && ibs.tagged(Ibs::OP))
        ibs.goes_to(branch.to);
}

void Amd::branched(unsigned flags, bool is_taken, bool missed)
{
    if (ibs.tagged(Ibs::OP))
        ibs.branches(flags, is_taken, missed);
}

void Amd::load_guest_records(const AmdLbr::State &from)
{
    lbr.load_guest(from);
    enters_guest();
}

void Amd::load_host_records(const AmdLbr::State &from)
{
    lbr.load_host(from);
    leaves_guest();
}

bool Amd::inspects() const
{
    return ibs.tagged(Ibs::OP) || ibs.tagged(Ibs::FETCH);
}

void Amd::starts_at(uint64_t ip)
{
    ibs.begins(ip);
}

void Amd::inspected_access(uint64_t linear, uint64_t physical, unsigned length, bool loads,
                           bool stores)
{
    if (ibs.tagged(Ibs::OP))
        ibs.accesses(linear, physical, length, loads, stores);
}

void Amd::instruction_done()
{
    uint64_t physical = 0;
    bool samples = inspects();
    if (ibs.tagged(Ibs::FETCH)) {
        bool known = machine.fetched_from(ibs.ip(Ibs::FETCH), &physical);
        ibs.sample_fetch(known, physical);
    }
    if (ibs.tagged(Ibs::OP))
        ibs.sample_op();
    if (samples)
        machine.deliver_extended(ibs.lvt_offset());
}

/* The counter overflows when all but the last instruction of the period have retired. */
void Amd::start_ibs(Ibs::Kind kind)
{
    if (!ibs.counts(kind))
        return;
    uint64_t period = ibs.period(kind), over = ibs.count(kind);
    write(IBS_COUNTER + kind, (0 - (over + 1 < period ? period - over - 1 : 1)));
}

void Amd::note_ibs_count(Ibs::Kind kind)
{
    if (ibs.counts(kind) && !settings_pending())
        ibs.set_count(kind, (read(IBS_COUNTER + kind) + ibs.period(kind) - 1) & mask[IBS_COUNTER]);
}

Access Amd::read_ibs(uint32_t msr, uint64_t *value)
{
    if (ibs.is_control(msr))
        note_ibs_count(msr == IBS_OP_CTL ? Ibs::OP : Ibs::FETCH);
    return ibs.rdmsr(msr, value);
}

Access Amd::write_ibs(uint32_t msr, uint64_t value)
{
    Access access = ibs.wrmsr(msr, value);
    if (access == DONE && ibs.is_control(msr)) {
        start_ibs(msr == IBS_OP_CTL ? Ibs::OP : Ibs::FETCH);
        changed();
    }
    return access;
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
    case PERF_GLOBAL_STATUS:
    case PERF_GLOBAL_CTL:
    case PERF_GLOBAL_STATUS_CLR:
    case PERF_GLOBAL_STATUS_SET:
        *value = msr == PERF_GLOBAL_STATUS ? status : msr == PERF_GLOBAL_CTL ? global : 0;
        return options.v2 ? DONE : UNKNOWN;
    default:
        break;
    }
    Access access = lbr.rdmsr(msr, value);
    return access == UNKNOWN && options.ibs ? read_ibs(msr, value) : access;
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
    default:
        break;
    }
    Access access = lbr.wrmsr(msr, value);
    if (access == DONE)
        changed();
    if (access == UNKNOWN && options.ibs)
        access = write_ibs(msr, value);
    return access == UNKNOWN && options.v2 ? write_global(msr, value) : access;
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
