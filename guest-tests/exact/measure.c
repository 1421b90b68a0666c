/* One count per run: a counter is started by one WRMSR and stopped by another, and between them is
 * the workload, in the same code whichever register is written. */
#include "exact.h"
#include "report.h"

struct counts {
    u64 user, kernel;
};

struct counting {
    u32 msr;
    u64 on, off;
};

const struct perfmon *exact_pmu;
volatile u64 exact_result;

static const char *const event_names[] = {"instructions", "branches", "cycles"};
static const char *const way_names[] = {"GLOBAL_CTRL", "the selector"};

static __attribute__((noinline)) void counted(const struct workload *w, const struct counting *c)
{
    void (*run)(void) = w->run;
    wrmsr(c->msr, c->on);
    run();
    wrmsr(c->msr, c->off);
}

static struct counting prepare(enum way way, u64 select, u32 fixed_rings)
{
    const struct perfmon *p = exact_pmu;
    u64 fixed = fixed_rings | fixed_rings << 4;
    perfmon_reset(p);
    if (way == BY_SELECTOR) {
        wrmsr(p->global_ctrl, perfmon_all(p));
        return (struct counting){p->selector, select, 0};
    }
    wrmsr(p->selector, select);
    if (p->fixed) {
        wrmsr(MSR_FIXED_CTR_CTRL, fixed);
    }
    return (struct counting){p->global_ctrl, perfmon_all(p), 0};
}

static void check_fixed(const char *what, u64 value, u32 fixed)
{
    u64 same = rdmsr(MSR_FIXED_CTR0 + fixed);
    expect(same == value, "%s: the fixed counter says %lu, the general one %lu", what, same, value);
}

u64 exact_count(const struct workload *w, enum event event, u32 rings, enum way way)
{
    u32 fixed = (rings & SELECT_OS ? FIXED_CTR_OS : 0) | (rings & SELECT_USR ? FIXED_CTR_USR : 0);
    if (w->prepare) {
        w->prepare();
    }
    struct counting c = prepare(way, exact_pmu->event[event] | rings | SELECT_EN, fixed);
    exact_result = 0;
    counted(w, &c);
    return rdmsr(exact_pmu->counter);
}

static u64 count(const struct workload *w, enum event event, u32 rings, enum way way)
{
    u64 before = exact_result, value = exact_count(w, event, rings, way);
    if (way == BY_GLOBAL_CTRL && exact_pmu->fixed && event != BRANCHES) {
        check_fixed(event_names[event], value, event == CYCLES ? FIXED_CYCLES : FIXED_INSTRUCTIONS);
    }
    expect(before == ~0ULL || before == exact_result, "it saw %lx, and then %lx", before,
           exact_result);
    return value;
}

static struct counts count_rings(const struct workload *w, enum event event, enum way way)
{
    struct counts c = {count(w, event, SELECT_USR, way), count(w, event, SELECT_OS, way)};
    u64 both = count(w, event, SELECT_USR | SELECT_OS, way);
    expect(both == c.user + c.kernel, "%s by %s: %lu at CPL 3, %lu at CPL 0, but %lu together",
           event_names[event], way_names[way], c.user, c.kernel, both);
    return c;
}

static struct counts count_event(const struct workload *w, enum event event)
{
    struct counts c[WAYS];
    for (enum way way = 0; way < WAYS; way++) {
        c[way] = count_rings(w, event, way);
        expect(c[way].user == c[0].user && c[way].kernel == c[0].kernel,
               "%s: %lu/%lu by %s, but %lu/%lu by %s", event_names[event], c[0].user, c[0].kernel,
               way_names[0], c[way].user, c[way].kernel, way_names[way]);
    }
    return c[0];
}

void measure(const struct workload *w)
{
    struct counts c[EVENTS];
    test_begin(w->name);
    exact_result = ~0ULL;
    for (enum event event = 0; event < EVENTS; event++) {
        c[event] = count_event(w, event);
    }
    expect(c[INSTRUCTIONS].user >= w->least_user && c[INSTRUCTIONS].kernel >= w->least_kernel,
           "less than it executes");
    perfmon_reset(exact_pmu);
    say("test: exact: %s%s instructions %lu/%lu branches %lu/%lu cycles %lu/%lu saw %lx",
        test_section_name(), w->name, c[INSTRUCTIONS].user, c[INSTRUCTIONS].kernel,
        c[BRANCHES].user, c[BRANCHES].kernel, c[CYCLES].user, c[CYCLES].kernel, exact_result);
    test_end();
}
