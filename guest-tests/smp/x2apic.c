/* x2APIC mode, where the processor has it: the switch, registers as MSRs, ICR as one MSR, the
 * transitions that must fault (APM 16.9.2, SDM 10.12.5), a core that is restarted in that mode, and
 * the way back. */
#include "apic.h"
#include "clock.h"
#include "cpu.h"
#include "fault.h"
#include "machine.h"
#include "report.h"
#include "smp.h"
#include "smp_probes.h"

enum { VECTOR_SELF = 0xaa, VECTOR_TO_BSP = 0xab, PATIENCE_MS = 2000, ROUNDS = 200 };

static bool present(void)
{
    return cpuid(1, 0).ecx & BIT(21);
}

static void enter(u64 unused)
{
    (void)unused;
    u64 base = rdmsr(MSR_APIC_BASE);
    if (!(base & APIC_BASE_EXTD)) {
        wrmsr(MSR_APIC_BASE, base | APIC_BASE_EXTD);
    }
    apic_enable();
    expect(apic_is_x2(), "core %u: no x2APIC mode", this_core()->index);
    expect(apic_id() == this_core()->apic_id, "core %u: ID %x", this_core()->index, apic_id());
}

/* Only through disabled: x2APIC to xAPIC directly is a #GP. */
static void leave(u64 unused)
{
    (void)unused;
    u64 base = rdmsr(MSR_APIC_BASE);
    wrmsr(MSR_APIC_BASE, base & ~(u64)(APIC_BASE_EXTD | APIC_BASE_EN));
    wrmsr(MSR_APIC_BASE, base & ~(u64)APIC_BASE_EXTD);
    apic_enable();
    expect(!apic_is_x2(), "core %u: still in x2APIC mode", this_core()->index);
    expect(apic_id() == this_core()->apic_id, "core %u: ID %x", this_core()->index, apic_id());
}

static void transitions(u64 unused)
{
    (void)unused;
    u64 base = rdmsr(MSR_APIC_BASE);
    expect(wrmsr_safe(MSR_APIC_BASE, base & ~(u64)APIC_BASE_EXTD) == VECTOR_GP,
           "core %u: x2APIC to xAPIC: no #GP", this_core()->index);
    expect(wrmsr_safe(MSR_APIC_BASE, base & ~(u64)APIC_BASE_EN) == VECTOR_GP,
           "core %u: EXTD without EN: no #GP", this_core()->index);
    expect(rdmsr(MSR_APIC_BASE) == base, "core %u: APIC_BASE %lx", this_core()->index,
           rdmsr(MSR_APIC_BASE));
}

static void send(u64 unused)
{
    (void)unused;
    struct core *core = this_core();
    for (u32 round = 0; round < ROUNDS; round++) {
        u32 before = cores[0]->count[VECTOR_TO_BSP], own = core->count[VECTOR_SELF];
        u64 end = deadline(PATIENCE_MS);
        wrmsr(MSR_X2APIC_ICR, (u64)cores[0]->apic_id << 32 | ICR_ASSERT | VECTOR_TO_BSP);
        while (cores[0]->count[VECTOR_TO_BSP] == before && !past(end)) {
            irq_window();
        }
        expect(cores[0]->count[VECTOR_TO_BSP] == before + 1, "core %u, round %u: %u arrived",
               core->index, round, cores[0]->count[VECTOR_TO_BSP] - before);
        wrmsr(0x83f, VECTOR_SELF); /* SELF_IPI */
        irq_window();
        expect(core->count[VECTOR_SELF] == own + 1, "core %u, round %u: %u self IPIs", core->index,
               round, core->count[VECTOR_SELF] - own);
    }
    u64 icr = rdmsr(MSR_X2APIC_ICR) & ~(u64)ICR_PENDING;
    expect(icr == ((u64)cores[0]->apic_id << 32 | ICR_ASSERT | VECTOR_TO_BSP), "ICR reads %lx",
           icr);
}

/* TCG does not check the reserved bits of ICR, so whether they fault is told, not judged. */
static void reserved_bits(void)
{
    int vector = wrmsr_safe(MSR_X2APIC_ICR, 1ULL << 20 | ICR_ASSERT | ICR_SELF | VECTOR_SELF);
    int read_only = wrmsr_safe(0x802, 0);
    u64 value;
    say("info: x2apic: ICR with reserved bit 20: %d, write of ID: %d, read of MSR 80e: %d", vector,
        read_only, rdmsr_safe(0x80e, &value));
    irq_window();
}

static void on_others(const char *name, core_work *work)
{
    test_begin(name);
    for (u32 i = 1; i < core_count; i++) {
        core_begin(cores[i], work, 0);
        irq_on();
        expect(core_wait(cores[i], PATIENCE_MS * 5), "core %u did not finish", i);
        irq_off();
    }
    test_end();
}

/* INIT leaves the mode as it is (SDM 10.12.5.1). */
static void restart(const char *name)
{
    static const struct start plain;
    test_begin(name);
    for (u32 round = 0; round < 6 && core_count > 1; round++) {
        struct core *core = cores[1 + round % (core_count - 1)];
        expect(core_start(core, &plain), "round %u: core %u did not start", round, core->index);
        expect(core->apic_at_start.svr == 0xff, "core %u: SVR %x", core->index,
               core->apic_at_start.svr);
        expect(core_run(core, enter, 0, PATIENCE_MS), "core %u did not enter", core->index);
    }
    test_end();
}

void x2apic_probes(void)
{
    if (!present() || apic_is_x2()) {
        say("info: no x2APIC probes: %s",
            present() ? "already in that mode" : "the processor has none");
        return;
    }
    on_others("x2apic-enter", enter);
    on_others("x2apic-transitions-gp", transitions);
    on_others("x2apic-ipi", send);
    restart("x2apic-restart"); /* the boot processor still in xAPIC mode */
    test_begin("x2apic-boot-processor");
    enter(0);
    transitions(0);
    test_end();
    reserved_bits();
    restart("x2apic-restart-by-x2apic");
    test_section("x2apic-");
    ipi_probes();
    nmi_probes();
    apic_probes();
    start_probes();
    test_section("");
    on_others("x2apic-leave", leave);
    test_begin("x2apic-leave-boot-processor");
    leave(0);
    test_end();
    if (option_word("no-again")) {
        return;
    }
    test_section("again-");
    decode_probes();
    test_section("");
}
