/* Intel's MSRs: which exist, which values they take. What is reserved or absent is #GP
 * (SDM 2.2, 20.2). */
#include "intel.h"

namespace pmu
{

uint64_t Intel::global_bits() const
{
    uint64_t bits = ((1ULL << options.gp) - 1) | ((1ULL << options.fixed) - 1) << 32;
    return bits | (options.metrics ? (uint64_t)GLOBAL_METRICS : 0);
}

/* What may be cleared through STATUS_RESET (OVF_CTRL): overflows, trace 55, freezes 58 and 59 and
 * ASCI 60 from version 4 on, uncore 61, buffer 62, condition changed 63 (SDM 20.2.2.3, 20.2.4; bits
 * 55 and 61 unverified). */
uint64_t Intel::status_bits() const
{
    uint64_t bits =
        global_bits() | 1ULL << 55 | 1ULL << 61 | STATUS_OVF_BUFFER | STATUS_COND_CHANGED;
    return options.version >= 4 ? bits | STATUS_LBR_FRZ | STATUS_CTR_FRZ | 1ULL << 60 : bits;
}

/* AnyThread exists in versions 3 and 4 and has no effect, as a core has one thread. No TSX: bits
 * 33:32 reserved. */
uint64_t Intel::select_bits() const
{
    uint64_t bits = 0xffffffffULL | (options.pebs ? (uint64_t)SELECT_ADAPTIVE : 0);
    return options.version == 3 || options.version == 4 ? bits : bits & ~SELECT_ANY;
}

Intel::Place Intel::find(uint32_t msr) const
{
    auto within = [&](uint32_t first, unsigned count) {
        return msr >= first && msr < first + count;
    };
    if (within(IA32_PERFEVTSEL0, options.gp))
        return {SELECTOR, msr - IA32_PERFEVTSEL0};
    if (within(IA32_PMC0, options.gp))
        return {COUNTER_LEGACY, msr - IA32_PMC0};
    if (options.full_width && within(IA32_A_PMC0, options.gp))
        return {COUNTER_FULL, msr - IA32_A_PMC0};
    if (within(IA32_FIXED_CTR0, options.fixed))
        return {FIXED, options.gp + msr - IA32_FIXED_CTR0};
    if (options.version < 6)
        return {OTHER, 0};
    unsigned field = msr & 3; /* 0 counter, 1 CFG_A, 2 and 3 absent */
    if (within(IA32_PMC_GP0_CTR, 4 * options.gp) && field < 2)
        return {field ? SELECTOR : COUNTER_FULL, (msr - IA32_PMC_GP0_CTR) / 4};
    if (within(IA32_PMC_FX0_CTR, 4 * options.fixed) && field == 0)
        return {FIXED, options.gp + (msr - IA32_PMC_FX0_CTR) / 4};
    return {OTHER, 0};
}

Access Intel::rdmsr(uint32_t msr, uint64_t *value)
{
    Place place = find(msr);
    if (place.where == OTHER)
        return read_other(msr, value);
    *value = place.where == SELECTOR ? select[place.counter] : read(place.counter);
    return DONE;
}

Access Intel::wrmsr(uint32_t msr, uint64_t value)
{
    Place place = find(msr);
    if (place.where == OTHER)
        return write_other(msr, value);
    return place.where == SELECTOR ? write_selector(place.counter, value)
                                   : write_counter(place, value);
}

/* SDM 20.2.6: the legacy address takes 32 bits, sign-extended; the others the counter's width. */
Access Intel::write_counter(const Place &place, uint64_t value)
{
    if (place.where == COUNTER_LEGACY)
        value = (uint64_t)(int64_t)(int32_t)(uint32_t)value;
    else if (value >> options.width)
        return FAULT;
    write(place.counter, value);
    return DONE;
}

Access Intel::write_selector(unsigned k, uint64_t value)
{
    if (value & ~select_bits())
        return FAULT;
    select[k] = value;
    changed();
    return DONE;
}

Access Intel::write_fixed_ctrl(uint64_t value)
{
    uint64_t each = options.version >= 5 || options.version < 3 ? FIXED_ENABLE | FIXED_PMI : 0xf;
    uint64_t bits = 0;
    for (unsigned k = 0; k < options.fixed; k++)
        bits |= (each | (options.pebs ? (uint64_t)FIXED_ADAPTIVE : 0)) << 4 * k;
    if (value & ~bits)
        return FAULT;
    return change([&] { fixed_ctrl = value; });
}

Access Intel::write_global(uint64_t value)
{
    if (!legal_global_ctrl(value))
        return FAULT;
    return change([&] { global = value; });
}

/* SDM 20.2.4.3 */
uint64_t Intel::in_use() const
{
    uint64_t bits = 0, pmi = 0;
    for (unsigned k = 0; k < options.gp; k++) {
        bits |= (uint64_t)((select[k] & 0xff) != 0) << k;
        pmi |= select[k] & SELECT_INT;
    }
    for (unsigned k = 0; k < options.fixed; k++) {
        bits |= (uint64_t)((fixed_ctrl >> 4 * k & FIXED_ENABLE) != 0) << (32 + k);
        pmi |= fixed_ctrl >> 4 * k & FIXED_PMI;
    }
    return bits | (uint64_t)(pmi != 0) << 63;
}

uint64_t Intel::capabilities() const
{
    uint64_t format = lbr.architectural() ? CAPABILITY_LBR_ARCH : CAPABILITY_LBR_INFO;
    return format | CAPABILITY_FREEZE_WHILE_SMM |
           (options.full_width ? (uint64_t)CAPABILITY_FULL_WIDTH : 0) |
           (options.metrics ? (uint64_t)CAPABILITY_METRICS : 0) |
           (options.pebs ? CAPABILITIES_PEBS | options.pebs * CAPABILITY_PEBS_FORMAT : 0);
}

Access Intel::read_other(uint32_t msr, uint64_t *value)
{
    auto gives = [&](unsigned since, uint64_t it) {
        *value = it;
        return options.version >= since ? DONE : FAULT;
    };
    switch (msr) {
    case IA32_DEBUGCTL:
        return gives(1, debug);
    case IA32_PERF_CAPABILITIES:
        return gives(1, capabilities());
    case IA32_FIXED_CTR_CTRL:
        return gives(2, fixed_ctrl);
    case IA32_PERF_GLOBAL_STATUS:
        return gives(2, status);
    case IA32_PERF_GLOBAL_CTRL:
        return gives(2, global);
    case IA32_PERF_GLOBAL_STATUS_RESET:
        return gives(2, 0);
    case IA32_PERF_GLOBAL_STATUS_SET:
        return gives(4, 0);
    case IA32_PERF_GLOBAL_INUSE:
        return gives(4, in_use());
    case IA32_PERF_METRICS:
        if (!options.metrics)
            return UNKNOWN;
        return gives(1, read_metrics());
    case MSR_OFFCORE_RSP_0:
    case MSR_OFFCORE_RSP_1:
        return gives(1, offcore[msr - MSR_OFFCORE_RSP_0]);
    case MSR_PEBS_LD_LAT:
        return gives(1, load_latency);
    case MSR_PEBS_FRONTEND:
        return gives(1, frontend);
    default:
        return read_pebs(msr, value) == UNKNOWN ? lbr.rdmsr(msr, value) : DONE;
    }
}

Access Intel::write_other(uint32_t msr, uint64_t value)
{
    auto stores = [&](uint64_t *where, uint64_t bits) {
        if (value & ~bits)
            return FAULT;
        *where = value;
        return DONE;
    };
    uint64_t settable = status_bits() & ~STATUS_COND_CHANGED;
    switch (msr) {
    case IA32_DEBUGCTL:
        if (!legal_debugctl(value))
            return FAULT;
        return change([&] { debug = value; });
    case IA32_LBR_CTL:
        if (!lbr.architectural() || !Lbr::legal_ctl(value))
            return FAULT;
        return change([&] { lbr.load_ctl(value); });
    case IA32_PERF_CAPABILITIES: /* read-only */
    case IA32_PERF_GLOBAL_STATUS:
    case IA32_PERF_GLOBAL_INUSE:
        return FAULT;
    case IA32_FIXED_CTR_CTRL:
        return options.version >= 2 ? write_fixed_ctrl(value) : FAULT;
    case IA32_PERF_GLOBAL_CTRL:
        return options.version >= 2 ? write_global(value) : FAULT;
    case IA32_PERF_GLOBAL_STATUS_RESET:
        if (options.version < 2 || (value & ~status_bits()))
            return FAULT;
        return change([&] { status &= ~value; });
    case IA32_PERF_GLOBAL_STATUS_SET:
        if (options.version < 4 || (value & ~settable))
            return FAULT;
        return change([&] { status |= value; });
    case IA32_PERF_METRICS:
        if (!options.metrics)
            return UNKNOWN;
        write_metrics(value);
        return DONE;
    case MSR_OFFCORE_RSP_0:
    case MSR_OFFCORE_RSP_1:
        return stores(&offcore[msr - MSR_OFFCORE_RSP_0], 0x3fffffffffULL);
    case MSR_PEBS_LD_LAT:
        return stores(&load_latency, 0xffff);
    case MSR_PEBS_FRONTEND:
        return stores(&frontend, 0x7fffff);
    default:
        break;
    }
    Access done = write_pebs(msr, value);
    return done == UNKNOWN ? lbr.wrmsr(msr, value) : done;
}

} // namespace pmu
