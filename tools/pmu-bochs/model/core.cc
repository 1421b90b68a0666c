#include "core.h"

#include <cstring>

namespace pmu
{

static const int64_t FOREVER = INT64_MAX;
static const unsigned ALL_MODES = 15;

unsigned hot_cores;

Core::Core(Tally &t, Machine &m, unsigned s) : machine(m), tally(t), skid(s)
{
    clear();
}

void Core::clear()
{
    uint8_t mode = tally.mode;
    set_hot(false);
    memset(&tally, 0, sizeof tally);
    tally.mode = mode;
    for (unsigned k = 0; k < MAX_COUNTERS; k++) {
        counter[k] = Counter();
        mask[k] = ~0ULL;
    }
    pending = pmi_due = stopped = false;
    outcome = Cache::SAME_LINE;
    load = store = MemoryAccess();
    guest_predicts = guest_caches = resumes = false;
    branches.forget();
    pmi_at = clock_seen = 0;
    for (int64_t &least : left)
        least = FOREVER;
}

uint64_t Core::grown(Kind kind, unsigned modes) const
{
    uint64_t sum = 0;
    for (unsigned mode = 0; mode < MODES; mode++)
        if (modes >> mode & 1)
            sum += tally.count[kind][mode];
    return sum;
}

uint64_t Core::tallied(const Counter &c) const
{
    return c.what.event.weight * grown(c.what.event.kind, c.what.modes);
}

uint64_t Core::retired() const
{
    return grown(INSTRUCTIONS, ALL_MODES);
}

uint64_t Core::retired_now()
{
    flush();
    return retired();
}

uint64_t Core::read(unsigned k)
{
    const Counter &c = counter[k];
    flush();
    if (c.written)
        return c.next;
    if (!c.live || c.stepped)
        return c.base;
    if (c.what.event.kind == REFERENCE_CYCLES)
        tick();
    return (c.base + tallied(c) - c.seen) & mask[k];
}

void Core::write(unsigned k, uint64_t value)
{
    counter[k].next = value & mask[k];
    counter[k].written = true;
    changed();
}

/* Instructions since the last time are of the mode that is still in force. */
void Core::flush()
{
    tally.count[INSTRUCTIONS][tally.mode] += (uint64_t)(tally.armed - tally.budget);
    tally.armed = tally.budget;
}

void Core::arm(int64_t budget)
{
    flush();
    tally.armed = tally.budget = budget;
}

void Core::set_hot(bool hot)
{
    hot_cores += (hot ? 1 : 0) - (tally.hot ? 1 : 0);
    tally.hot = hot;
}

void Core::look_soon()
{
    set_hot(true);
    arm(0);
}

void Core::enter_mode(unsigned mode)
{
    flush();
    tally.mode = (uint8_t)mode;
}

void Core::changed()
{
    pending = true;
    look_soon();
}

void Core::leaves_guest()
{
    guest_predicts = tally.branch_flags & OP_BRANCH;
    guest_caches = tally.watch_memory & WATCH_CACHE;
    changed();
}

void Core::enters_guest()
{
    resumes = true;
    changed();
}

void Core::happened(Kind kind, unsigned mode)
{
    tally.count[kind][mode]++;
    if (--left[kind] <= 0 && tally.budget > 1)
        arm(1);
}

void Core::tick()
{
    uint64_t now = machine.clock();
    if (tally.watch_clock && !stopped && tally.mode < MODES)
        tally.count[REFERENCE_CYCLES][tally.mode] += now - clock_seen;
    clock_seen = now;
}

void Core::stop_clock()
{
    tick();
    stopped = true;
}

void Core::start_clock()
{
    clock_seen = machine.clock();
    stopped = false;
}

void Core::tally_always(unsigned mode)
{
    if (!tally.hot)
        enter_mode(mode);
    always = true;
    look_soon();
}

uint64_t Core::instructions(unsigned modes)
{
    flush();
    return grown(INSTRUCTIONS, modes);
}

/* SDM 3B 20.2.1.1, "counter mask", "invert", "edge detect": the comparison is made each cycle, and
 * a cycle here is an instruction. */
void Core::step(Counter &c)
{
    uint64_t cycle = grown(INSTRUCTIONS, c.what.modes);
    if (cycle == c.cycle)
        return; /* this cycle ran in another mode */
    uint64_t now = tallied(c);
    uint64_t events = now - c.seen;
    c.seen = now;
    c.cycle = cycle;
    unsigned threshold = c.what.threshold ? c.what.threshold : 1;
    bool condition = c.what.invert && c.what.threshold ? events < threshold : events >= threshold;
    if (c.what.edge ? condition && !c.condition : condition)
        c.base++;
    c.condition = condition;
}

/* Running counts become values. */
void Core::fold()
{
    for (unsigned k = 0; k < counters(); k++) {
        Counter &c = counter[k];
        if (c.live && !c.stepped) {
            c.base = (c.base + tallied(c) - c.seen) & mask[k];
            c.seen = tallied(c);
        }
    }
}

/* -> one of them wants a PMI */
bool Core::check_overflows()
{
    bool wanted = false;
    for (unsigned k = 0; k < counters(); k++) {
        Counter &c = counter[k];
        if (!c.live)
            continue;
        if (c.stepped)
            step(c);
        uint64_t value = c.stepped ? c.base : c.base + tallied(c) - c.seen;
        if (value <= mask[k] || mask[k] == ~0ULL)
            continue;
        if (c.stepped)
            c.base &= mask[k];
        wanted |= overflowed(k) && c.what.interrupts;
    }
    return wanted;
}

void Core::interrupt_when_due()
{
    if (!pmi_due || retired() < pmi_at)
        return;
    pmi_due = false;
    interrupting();
    machine.deliver_pmi();
}

int64_t Core::budget_of(const Counter &c, uint64_t limit) const
{
    if (c.stepped)
        return 1;
    uint64_t left = limit - c.base;
    switch (c.what.event.kind) {
    case INSTRUCTIONS:
    case BRANCHES:
        left = (left + c.what.event.weight - 1) / c.what.event.weight;
        return left > (uint64_t)FOREVER ? FOREVER : (int64_t)left;
    case REFERENCE_CYCLES: /* they may pass faster than instructions */
        return left > 64 ? (int64_t)((left > (uint64_t)FOREVER ? FOREVER : left) / 2) : 1;
    default:
        return FOREVER; /* happened() looks at `left` */
    }
}

/* At most one event per cycle, so most thresholds need no comparison cycle by cycle. */
static bool needs_steps(Setting *what)
{
    if (what->edge)
        return true;
    if (what->threshold == 0 || what->event.kind == REFERENCE_CYCLES)
        return false;
    if (what->event.weight == 1 && what->threshold >= 2) {
        what->event = what->invert ? CYCLES : NOTHING;
        return false;
    }
    return what->invert || what->event.weight > 1;
}

/* What is predicted and cached starts empty, so that counts depend only on what ran since counting
 * began; that a guest goes on after an exit is no beginning. */
void Core::watch(bool clock, bool memory, bool branches)
{
    if (clock && !tally.watch_clock)
        clock_seen = machine.clock();
    if (memory && !(tally.watch_memory & WATCH_CACHE) && !(resumes && guest_caches))
        cache.empty();
    if (branches && !(tally.branch_flags & OP_BRANCH) && !(resumes && guest_predicts))
        predictor.forget();
    tally.watch_clock = clock;
    tally.watch_memory = (memory ? WATCH_CACHE : 0) | (inspects() ? WATCH_INSTRUCTION : 0);
    tally.branch_flags = (branches ? OP_BRANCH : 0) | (counts_guest_entry() ? OP_ENTERS_GUEST : 0);
}

/* Who counts from now on, what has to be tallied for it, and for how long nothing can happen. */
void Core::plan()
{
    int64_t budget = FOREVER;
    bool hot = false, clock = false, memory = false;
    bool branches = watches_metrics() || records_branches();
    for (unsigned k = 0; k < counters(); k++) {
        Counter &c = counter[k];
        bool was_stepped = c.live && c.stepped;
        Event was = c.what.event;
        c.what = setting(k);
        if (c.what.event.weight == 0 || c.what.modes == 0) {
            c.live = false;
            continue;
        }
        c.stepped = needs_steps(&c.what);
        c.live = c.what.event.weight != 0;
        if (!c.live)
            continue;
        hot = true;
        clock |= c.what.event.kind == REFERENCE_CYCLES;
        memory |= c.what.event.kind >= CACHE_REFERENCES && c.what.event.kind <= SLOW_LOADS;
        branches |= c.what.event.kind >= CONDITIONAL && c.what.event.kind <= INDIRECT_MISSES;
        c.condition = was_stepped && was.kind == c.what.event.kind && c.condition;
    }
    watch(clock, memory, branches);
    resumes = false;
    for (int64_t &least : left)
        least = FOREVER;
    for (unsigned k = 0; k < counters(); k++) {
        Counter &c = counter[k];
        if (!c.live)
            continue;
        c.seen = tallied(c);
        if (c.stepped)
            c.cycle = grown(INSTRUCTIONS, c.what.modes);
        uint64_t limit = mask[k] + 1;
        int64_t own = budget_of(c, limit);
        budget = own < budget ? own : budget;
        int64_t *least = &left[c.what.event.kind];
        *least = (int64_t)(limit - c.base) < *least ? (int64_t)(limit - c.base) : *least;
    }
    if (pmi_due) {
        int64_t left = (int64_t)(pmi_at - retired());
        budget = left < budget ? left : budget;
    }
    if (inspects() || record_due())
        budget = 1;
    set_hot(hot || pmi_due || branches || always || inspects() || record_due());
    arm(budget);
}

void Core::ask_for_pmi()
{
    if (pmi_due)
        return;
    pmi_due = true;
    pmi_at = retired() + skid;
}

void Core::set_now(unsigned k, uint64_t value)
{
    counter[k].base = value & mask[k];
}

void Core::settle()
{
    flush();
    if (tally.watch_clock)
        tick();
    bool wanted = check_overflows();
    fold();
    if (wanted)
        ask_for_pmi();
    interrupt_when_due();
    for (unsigned k = 0; k < counters(); k++) {
        Counter &c = counter[k];
        if (c.written)
            c.base = c.next;
        c.written = false;
    }
    pending = false;
    plan();
}

} // namespace pmu
