/* What Intel's registers make the counters do, and what CPUID says of them. */
#include "intel.h"

#include <cstring>

namespace pmu
{

Intel::Intel(Tally &tally, Machine &machine, const Options &chosen)
    : Core(tally, machine, chosen.skid), options(chosen)
{
    reset();
}

/* SDM 20.2.2.1, table 10-1: after reset all general-purpose counters are enabled in GLOBAL_CTRL,
 * none is fixed. */
void Intel::reset()
{
    clear();
    memset(select, 0, sizeof select);
    memset(metrics_base, 0, sizeof metrics_base);
    memset(metrics_seen, 0, sizeof metrics_seen);
    fixed_ctrl = status = debug = offcore[0] = offcore[1] = load_latency = frontend = 0;
    pebs = Pebs();
    global = (1ULL << options.gp) - 1;
    lbr.reset((LbrKind)options.lbr);
    lbr_cycles = lbr_since = 0;
    for (unsigned k = 0; k < counters(); k++)
        mask[k] = (1ULL << options.width) - 1;
}

static unsigned modes_of(bool kernel, bool user)
{
    return (kernel ? 1u << 0 | 1u << MODE_GUEST : 0) |
           (user ? 1u << MODE_USER | 1u << (MODE_USER | MODE_GUEST) : 0);
}

Setting Intel::general(unsigned k) const
{
    Setting what;
    what.event = intel_event(select[k] & 0xff, (unsigned)(select[k] >> 8) & 0xff);
    what.modes = modes_of(select[k] & SELECT_OS, select[k] & SELECT_USR);
    what.interrupts = select[k] & SELECT_INT;
    what.edge = select[k] & SELECT_EDGE;
    what.invert = select[k] & SELECT_INV;
    what.threshold = (unsigned)(select[k] >> 24) & 0xff;
    return select[k] & SELECT_EN ? what : Setting();
}

Setting Intel::fixed(unsigned number) const
{
    unsigned field = (unsigned)(fixed_ctrl >> 4 * number);
    Setting what;
    what.event = intel_fixed_event(number);
    what.modes = modes_of(field & 1, field & 2);
    what.interrupts = field & FIXED_PMI;
    return what;
}

/* Version 1 has no global control. A frozen counter stands still whatever else is set (SDM 20.2.4).
 */
Setting Intel::setting(unsigned k) const
{
    if (options.version >= 2 && (!(global & status_bit(k)) || (status & STATUS_CTR_FRZ)))
        return Setting();
    return k < options.gp ? general(k) : fixed(k - options.gp);
}

bool Intel::watches_metrics() const
{
    uint64_t needed = GLOBAL_METRICS | 1ULL << 35;
    return options.metrics && (global & needed) == needed && !(status & STATUS_CTR_FRZ) &&
           (fixed_ctrl >> 12 & FIXED_ENABLE);
}

uint64_t Intel::status_bit(unsigned k) const
{
    return 1ULL << (k < options.gp ? k : 32 + k - options.gp);
}

/* SDM 17.4.7 and 20.2.4: before version 4 a PMI clears the global control, from 4 on it sets
 * CTR_FRZ. */
void Intel::interrupting()
{
    bool lbrs = debug & DEBUGCTL_FREEZE_LBRS_ON_PMI;
    bool counters = (debug & DEBUGCTL_FREEZE_PERFMON_ON_PMI) && options.version >= 2;
    if (!lbrs && !counters)
        return;
    change([&] {
        if (options.version >= 4)
            status |= (lbrs ? +STATUS_LBR_FRZ : 0) | (counters ? +STATUS_CTR_FRZ : 0);
        else {
            global = counters ? 0 : global;
            debug &= lbrs ? ~(uint64_t)DEBUGCTL_LBR : ~0ULL;
        }
    });
}

/* The newer kind has its own enable; LBR_FRZ holds for both. */
bool Intel::records_branches() const
{
    bool on = lbr.architectural() ? lbr.ctl() & LBR_CTL_EN : debug & DEBUGCTL_LBR;
    return on && !(status & STATUS_LBR_FRZ);
}

/* The cycles of a record are the instructions that retired since the one before while recording
 * was on. */
void Intel::count_cycles()
{
    uint64_t now = retired_now();
    if (records_branches())
        lbr_cycles += now - lbr_since;
    lbr_since = now;
}

/* SDM 17.4.4: a debug exception is no record, and clears DEBUGCTL.LBR before its handler runs; one
 * that VM entry delivers does not (SDM 27.6.1.1). */
void Intel::taken(const Branch &branch)
{
    if (branch.kind == EVENT && branch.vector == 1 && !lbr.architectural()) {
        if (!branch.injected)
            change([&] { debug &= ~(uint64_t)DEBUGCTL_LBR; });
        return;
    }
    count_cycles();
    if (lbr.record(branch, lbr_cycles))
        lbr_cycles = 0;
}

void Intel::load_global_ctrl(uint64_t value)
{
    change([&] { global = value; });
}

void Intel::load_debugctl(uint64_t value)
{
    change([&] { debug = value; });
}

void Intel::load_lbr_ctl(uint64_t value)
{
    change([&] { lbr.load_ctl(value); });
}

/* RDPMC's types (SDM volume 2, RDPMC): 0 general-purpose, 4000H fixed, 2000H metrics. */
bool Intel::rdpmc(uint32_t index, uint64_t *value)
{
    uint32_t type = index >> 16, number = index & 0xffff;
    if (type == 0 && number < options.gp)
        *value = read(number);
    else if (type == 0x4000 && number < options.fixed)
        *value = read(options.gp + number);
    else if (type == 0x2000 && number == 0 && options.metrics)
        *value = read_metrics();
    else
        return false;
    return true;
}

/* SDM 20.2, CPUID.0AH. EBX says "not available" of the events beyond what is counted. */
CpuidLeaf Intel::leaf_0a() const
{
    CpuidLeaf leaf = {};
    bool slots = options.fixed >= 4;
    unsigned events = INTEL_ARCHITECTURAL_EVENTS - (slots ? 0 : 1);
    leaf.eax = options.version | options.gp << 8 | options.width << 16 | events << 24;
    if (options.version >= 2)
        leaf.edx = options.fixed | options.width << 5;
    if (options.version >= 5) {
        leaf.ecx = (1u << options.fixed) - 1;
        leaf.edx |= 1u << 15; /* AnyThread deprecated */
    }
    return leaf;
}

/* CPUID.1CH: filters by ring and kind, call-stack mode; mispredictions, cycles, types. Addresses
 * are offsets in CS. */
CpuidLeaf Intel::leaf_1c() const
{
    return lbr.architectural() ? CpuidLeaf{LBR_DEPTHS, 7, 7, 0} : CpuidLeaf();
}

/* CPUID.23H, version 6: no unit mask 2 and no EQ bit. */
CpuidLeaf Intel::leaf_23(uint32_t subleaf) const
{
    CpuidLeaf leaf = {};
    if (options.version < 6)
        return leaf;
    if (subleaf == 0)
        leaf.eax = 1u << 0 | 1u << 1 | 1u << 3;
    else if (subleaf == 1) {
        leaf.eax = (1u << options.gp) - 1;
        leaf.ebx = (1u << options.fixed) - 1;
    } else if (subleaf == 3)
        leaf.eax = (1u << (leaf_0a().eax >> 24)) - 1;
    return leaf;
}

} // namespace pmu
