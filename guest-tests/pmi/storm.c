/* NMIs from another core, at one that exits in a tight loop: sent one at a time each arrives, once;
 * of those sent while it handles one, exactly one is kept. Load option nmis=N: how many of each
 * kind. */
#include "apic.h"
#include "clock.h"
#include "core.h"
#include "machine.h"
#include "pmi.h"
#include "report.h"

enum { PATIENCE_MS = 2000, BURST = 20, BURSTS = 200 };

static volatile u32 stop, inside, nested, let_go, through;

static void exit_by_cpuid(u64 unused)
{
    (void)unused;
    while (!stop) {
        cpuid(0, 0);
    }
}

static void exit_by_allowed(u64 unused)
{
    u32 msr = msr_selector(0);
    (void)unused;
    while (!stop) {
        wrmsr(msr, 0x4300c0);
    }
}

static void exit_by_denied(u64 unused)
{
    u32 msr = msr_selector(0);
    (void)unused;
    while (!stop) {
        wrmsr(msr, SELECT_EN | PERFMON_DENIED);
    }
}

static void exit_slowly(u64 unused)
{
    u64 efer = rdmsr(MSR_EFER), base = rdmsr(MSR_APIC_BASE);
    (void)unused;
    while (!stop) {
        wrmsr(MSR_EFER, efer);
        wrmsr(MSR_APIC_BASE, base);
        cpuid(0xd, 0);
    }
}

static void on_nmi(struct frame *frame)
{
    (void)frame;
    nested += inside != 0;
    inside = 1;
    cpuid(0, 0);
    inside = 0;
}

/* Stays until the sender has sent more, exiting all the while. */
static void on_nmi_slow(struct frame *frame)
{
    u64 end = deadline(PATIENCE_MS);
    (void)frame;
    nested += inside != 0;
    inside = 1;
    while (!let_go && !past(end)) {
        cpuid(0, 0);
    }
    inside = 0;
    through++;
}

static bool becomes(const volatile u32 *counter, u32 wanted)
{
    u64 end = deadline(PATIENCE_MS);
    while (*counter != wanted && !past(end)) {
        pause();
    }
    return *counter == wanted;
}

static void begin(struct core *target, core_work *loop, interrupt_handler *handler)
{
    stop = inside = nested = let_go = through = 0;
    target->count[VECTOR_NMI] = 0;
    target->handler[VECTOR_NMI] = handler;
    core_begin(target, loop, 0);
}

static void end(struct core *target, u32 wanted)
{
    delay_us(1000);
    stop = 1;
    expect(core_wait(target, PATIENCE_MS), "it does not stop");
    expect(target->count[VECTOR_NMI] == wanted, "%u NMIs received, not %u",
           target->count[VECTOR_NMI], wanted);
    expect(!nested, "%u nested", nested);
    target->handler[VECTOR_NMI] = NULL;
}

static void one_at_a_time(const char *name, struct core *target, core_work *loop, u32 count)
{
    test_begin(name);
    begin(target, loop, on_nmi);
    for (u32 sent = 1; sent <= count; sent++) {
        apic_send(target->apic_id, ICR_ASSERT | ICR_NMI);
        if (!becomes(&target->count[VECTOR_NMI], sent)) {
            test_fail("%u sent, %u received", sent, target->count[VECTOR_NMI]);
            break;
        }
    }
    end(target, count);
    test_end();
}

/* While one is handled, one more is held (SDM 6.7.1, APM 8.2.3). */
static bool burst(struct core *target)
{
    u32 before = through;
    let_go = 0;
    apic_send(target->apic_id, ICR_ASSERT | ICR_NMI);
    if (!becomes(&inside, 1)) {
        return false;
    }
    for (u32 i = 0; i < BURST; i++) {
        apic_send(target->apic_id, ICR_ASSERT | ICR_NMI);
    }
    let_go = 1;
    return becomes(&through, before + 2);
}

static void bursts(struct core *target, core_work *loop)
{
    test_begin("nmi-bursts");
    begin(target, loop, on_nmi_slow);
    for (u32 round = 0; round < BURSTS; round++) {
        if (!burst(target)) {
            test_fail("burst %u: %u handled", round, through);
            break;
        }
    }
    end(target, 2 * BURSTS);
    test_end();
}

void storm_probes(void)
{
    struct core *target = cores[1];
    u32 count = (u32)option_number("nmis", 100000);
    one_at_a_time("nmis-at-cpuid", target, exit_by_cpuid, count);
    one_at_a_time("nmis-at-selector-allowed", target, exit_by_allowed, count);
    one_at_a_time("nmis-at-selector-denied", target, exit_by_denied, count);
    one_at_a_time("nmis-at-slow-exits", target, exit_slowly, count);
    bursts(target, exit_by_cpuid);
}
