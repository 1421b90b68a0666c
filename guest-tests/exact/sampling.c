/* Overflows inside the counted region: with a PMI by NMI or by a fixed vector, or without. What was
 * seen is how many samples, and a hash of where. */
#include "apic.h"
#include "exact.h"
#include "fault.h"

enum { VECTOR_PMI = 0x92, TURNS = 1000, PERIOD = 997, LVT_NMI = 4 << 8 };

static struct {
    u32 lvt;
    u64 select;
} how;

static u32 spare_counter(void)
{
    return perfmon_counter(exact_pmu, FIRST_FREE_COUNTER);
}

/* Numbers of samples in the upper half, where in the lower. */
static void on_pmi(struct frame *frame)
{
    u32 where = (u32)(exact_result * 31 + (frame->rip - (u64)exception_stubs));
    exact_result = ((exact_result >> 32) + 1) << 32 | where;
    wrmsr(spare_counter(), perfmon_before(PERIOD));
    perfmon_acknowledge(exact_pmu, how.lvt);
    if (frame->vector != VECTOR_NMI) {
        apic_eoi();
    }
}

static void prepare(u32 lvt, u64 select)
{
    struct core *core = this_core();
    how.lvt = lvt;
    how.select = select | SELECT_EN;
    core->handler[VECTOR_NMI] = core->handler[VECTOR_PMI] = on_pmi;
    apic_write(APIC_LVT_PMC, lvt);
}

static void instructions_nmi(void)
{
    prepare(LVT_NMI, exact_pmu->event[INSTRUCTIONS] | SELECT_USR | SELECT_OS | SELECT_INT);
}

static void instructions_fixed(void)
{
    prepare(VECTOR_PMI, exact_pmu->event[INSTRUCTIONS] | SELECT_USR | SELECT_OS | SELECT_INT);
}

static void branches_nmi(void)
{
    prepare(LVT_NMI, exact_pmu->event[BRANCHES] | SELECT_USR | SELECT_OS | SELECT_INT);
}

static void user_nmi(void)
{
    prepare(LVT_NMI, exact_pmu->event[CYCLES] | SELECT_USR | SELECT_INT);
}

static void masked(void)
{
    prepare(APIC_LVT_MASK | LVT_NMI, exact_pmu->event[INSTRUCTIONS] | SELECT_OS | SELECT_INT);
}

static void no_interrupt(void)
{
    prepare(LVT_NMI, exact_pmu->event[INSTRUCTIONS] | SELECT_OS);
}

static void sampled(core_work *work, u64 argument)
{
    u32 selector = perfmon_selector(exact_pmu, FIRST_FREE_COUNTER);
    wrmsr(spare_counter(), perfmon_before(PERIOD));
    irq_on();
    wrmsr(selector, how.select);
    work(argument);
    wrmsr(selector, 0);
    irq_off();
}

static void loop(void)
{
    sampled(user_loop, 10 * TURNS);
}

static void leave(u64 turns)
{
    u32 msr = perfmon_selector(exact_pmu, FIRST_FREE_COUNTER + 1);
    for (u64 i = 0; i < turns; i++) {
        cpuid(0, 0);
        wrmsr(msr, PERFMON_DENIED | SELECT_EN | SELECT_OS);
        wrmsr(msr, exact_pmu->event[BRANCHES] | SELECT_OS);
        outb(0x80, 0);
    }
    wrmsr(msr, 0);
}

static void exits(void)
{
    sampled(leave, TURNS);
}

static void in_user_mode(u64 turns)
{
    attempt_user(user_loop, turns, NULL);
}

static void user_samples(void)
{
    sampled(in_user_mode, 10 * TURNS);
}

static void user_cpuid_samples_at(u64 turns)
{
    attempt_user(user_cpuid, turns, NULL);
}

static void user_cpuid_samples(void)
{
    sampled(user_cpuid_samples_at, TURNS);
}

/* It wraps, the status bit says so, and nothing else happens. */
static void silent(void)
{
    sampled(user_loop, TURNS);
    exact_result = rdmsr(exact_pmu->global_status) << 48 | (rdmsr(spare_counter()) & 0xffffff);
}

static const struct workload list[] = {
    {"sampling-by-nmi", loop, instructions_nmi, 0, 20 * TURNS},
    {"sampling-by-vector", loop, instructions_fixed, 0, 20 * TURNS},
    {"sampling-branches", loop, branches_nmi, 0, 20 * TURNS},
    {"sampling-among-exits", exits, instructions_nmi, 0, 15 * TURNS},
    {"sampling-among-exits-by-vector", exits, instructions_fixed, 0, 15 * TURNS},
    {"sampling-user-mode", user_samples, user_nmi, 20 * TURNS, 200},
    {"sampling-user-cpuid", user_cpuid_samples, user_nmi, 6 * TURNS, 200},
    {"overflow-masked", silent, masked, 0, 2 * TURNS},
    {"overflow-without-interrupt", silent, no_interrupt, 0, 2 * TURNS},
};

const struct workloads sampling_workloads = {list, COUNT(list)};
