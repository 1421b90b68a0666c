/* PEBS' registers, and what overflows do where it is enabled. */
#include "pebs.h"

#include "intel.h"

namespace pmu
{

PebsRecord make_record(const PebsMoment &moment, uint64_t groups)
{
    PebsRecord record = {};
    auto put = [&](uint64_t word) { record.word[record.words++] = word; };
    put(0); /* below */
    put(moment.ip);
    put(moment.counters);
    put(moment.tsc);
    if (groups & DATA_MEMORY) {
        put(moment.address);
        put(moment.source);
        put(moment.latency);
        put(0); /* no transactions */
    }
    if (groups & DATA_GPRS)
        for (uint64_t value : moment.gpr)
            put(value);
    if (groups & DATA_XMMS)
        for (uint64_t value : moment.xmm)
            put(value);
    record.word[0] = groups | (uint64_t)(8 * record.words) << 48;
    return record;
}

/* A record without the adaptive bit of its counters is basic (SDM 3B, "adaptive PEBS"). */
uint64_t Intel::record_groups(uint64_t of) const
{
    bool adaptive = false;
    for (unsigned k = 0; k < counters(); k++)
        if (of & status_bit(k))
            adaptive |= k < options.gp ? (select[k] & SELECT_ADAPTIVE) != 0
                                       : (fixed_ctrl >> 4 * (k - options.gp) & FIXED_ADAPTIVE) != 0;
    return adaptive ? pebs.data_cfg & (DATA_MEMORY | DATA_GPRS | DATA_XMMS) : 0;
}

unsigned Intel::reset_field(unsigned k) const
{
    unsigned fixed = options.pebs == 4 ? DS_RESET_FIXED : DS_RESET_FIXED_5;
    return k < options.gp ? DS_RESET + 8 * k : fixed + 8 * (k - options.gp);
}

uint64_t Intel::take_due()
{
    uint64_t due = pebs.due;
    pebs.due = 0;
    return due;
}

/* The counter goes on from its reset value. */
void Intel::reload(unsigned k, uint64_t value)
{
    set_now(k, value);
}

/* SDM 3B, "PEBS interrupt": once the index has reached the threshold. */
void Intel::buffer_overflowed()
{
    status |= STATUS_OVF_BUFFER;
    ask_for_pmi();
}

static bool canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

Access Intel::read_pebs(uint32_t msr, uint64_t *value) const
{
    if (!options.pebs)
        return UNKNOWN;
    switch (msr) {
    case IA32_PEBS_ENABLE:
        *value = pebs.enable;
        return DONE;
    case MSR_PEBS_DATA_CFG:
        *value = pebs.data_cfg;
        return DONE;
    case IA32_DS_AREA:
        *value = pebs.area;
        return DONE;
    }
    return UNKNOWN;
}

Access Intel::write_pebs(uint32_t msr, uint64_t value)
{
    if (!options.pebs)
        return UNKNOWN;
    switch (msr) {
    case IA32_PEBS_ENABLE:
        if (value & ~(global_bits() & ~GLOBAL_METRICS))
            return FAULT;
        pebs.enable = value;
        changed();
        return DONE;
    case MSR_PEBS_DATA_CFG:
        if (value & ~DATA_BITS)
            return FAULT;
        pebs.data_cfg = value;
        return DONE;
    case IA32_DS_AREA:
        if (!canonical(value))
            return FAULT;
        pebs.area = value;
        return DONE;
    }
    return UNKNOWN;
}

} // namespace pmu
