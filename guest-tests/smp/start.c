/* INIT and SIPI: a started core finds the state that the manuals give (APM 14.1.3, 16.5), again and
 * again, whatever it was doing; a SIPI to a running core does nothing; INIT alone stops it. */
#include "apic.h"
#include "clock.h"
#include "cpu.h"
#include "report.h"
#include "smp.h"
#include "smp_probes.h"

enum { RESTART_ROUNDS = 50 };
#define DIRTY_CR2 0x123456789000

static volatile u32 progress[MAX_CORES];

static void spin(u64 unused)
{
    (void)unused;
    for (;;) {
        progress[this_core()->index]++;
    }
}

static void spin_cpuid(u64 unused)
{
    (void)unused;
    for (;;) {
        cpuid(0, 0);
        progress[this_core()->index]++;
    }
}

static void halt(u64 unused)
{
    (void)unused;
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

static void halt_open(u64 unused)
{
    (void)unused;
    for (;;) {
        __asm__ volatile("sti; hlt");
    }
}

/* Leaves registers that INIT resets as far from their reset values as is safe. */
static void dirty(u64 unused)
{
    WRITE_CR(2, DIRTY_CR2);
    WRITE_DR(0, 0x1000);
    WRITE_DR(7, 0x402);
    WRITE_DR(6, 0xffff0fff);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
    apic_write(APIC_TPR, 0x50);
    apic_write(APIC_TIMER_DIVIDE, 0xb);
    if (!apic_is_x2()) {
        xapic_write(APIC_LDR, 0x5a000000);
        xapic_write(APIC_DFR, 0x0fffffff);
    }
    apic_write(APIC_LVT_LINT0, 0x700);
    apic_write(APIC_LVT_PMC, 0x400);
    spin(unused);
}

static void check_registers(u32 page, u32 signature)
{
    volatile struct start_record *r = start_record(page);
    u32 others = r->eax | r->ebx | r->ecx | r->esi | r->edi | r->ebp | r->esp;
    expect(r->cs == start_vector(page) << 8, "CS %x", (u32)r->cs);
    expect(!(r->ds | r->es | r->ss | r->fs | r->gs), "a data segment is not 0");
    /* EDX is the signature (SDM 10.1.1, APM 14.1.3); Bochs leaves 0. */
    expect(r->edx == signature || r->edx == 0, "EDX %x, CPUID 1 EAX %x", r->edx, signature);
    expect(!others, "EAX %x EBX %x ECX %x ESI %x EDI %x EBP %x ESP %x", r->eax, r->ebx, r->ecx,
           r->esi, r->edi, r->ebp, r->esp);
    expect((r->cr0 & ~0x60000000U) == 0x10, "CR0 %x", r->cr0); /* CD and NW stay */
    /* INIT clears CR2 (SDM table 10-1); Bochs leaves dirty()'s value. */
    expect(r->cr2 == 0 || r->cr2 == (u32)DIRTY_CR2, "CR2 %x", r->cr2);
    expect(!(r->cr3 | r->cr4), "CR3 %x CR4 %x", r->cr3, r->cr4);
    expect(r->eflags == 2, "EFLAGS %x", r->eflags);
    expect(r->efer == 0, "EFER %x", r->efer);
    expect(r->dr6 == 0xffff0ff0 && r->dr7 == 0x400, "DR6 %x DR7 %x", r->dr6, r->dr7);
    expect(r->gdtr[0] == 0xffff && !r->gdtr[1] && !r->gdtr[2], "GDTR %x:%x limit %x",
           (u32)r->gdtr[2], (u32)r->gdtr[1], (u32)r->gdtr[0]);
    expect(r->idtr[0] == 0xffff && !r->idtr[1] && !r->idtr[2], "IDTR %x:%x limit %x",
           (u32)r->idtr[2], (u32)r->idtr[1], (u32)r->idtr[0]);
}

static void check_apic(const struct apic_at_start *a)
{
    expect(a->svr == 0xff, "SVR %x", a->svr);
    expect(a->tpr == 0, "TPR %x", a->tpr);
    expect(apic_is_x2() || a->ldr == 0, "LDR %x", a->ldr);
    expect(a->dfr == ~0U, "DFR %x", a->dfr);
    expect(a->timer_initial == 0, "timer %x", a->timer_initial);
    for (u32 i = 0; i < COUNT(a->lvt); i++) {
        expect(a->lvt[i] == APIC_LVT_MASK, "LVT %u is %x", i, a->lvt[i]);
    }
}

static void init_state(void)
{
    static const struct start plain;
    u32 signature = cpuid(1, 0).eax;
    test_begin("init-registers");
    for (u32 i = 1; i < core_count; i++) {
        core_begin(cores[i], dirty, 0);
        delay_us(2000);
        expect(core_start(cores[i], &plain), "core %u did not restart", i);
        check_registers(0, signature);
    }
    test_end();
    test_begin("init-local-apic");
    for (u32 i = 1; i < core_count; i++) {
        check_apic(&cores[i]->apic_at_start);
    }
    test_end();
}

static void restarts(void)
{
    static core_work *const states[] = {spin, halt, spin_cpuid, halt_open, dirty};
    test_begin("restart-rounds");
    for (u32 round = 0; round < RESTART_ROUNDS && core_count > 1; round++) {
        struct core *core = cores[1 + round % (core_count - 1)];
        struct start start = {.page = round % TRAMPOLINE_PAGES};
        core_begin(core, states[round % COUNT(states)], 0);
        delay_us(round % 3 * 300);
        if (!core_start(core, &start)) {
            test_fail("round %u: core %u did not restart", round, core->index);
            break;
        }
        expect(start_record(start.page)->cs == start_vector(start.page) << 8, "round %u: CS %x",
               round, (u32)start_record(start.page)->cs);
    }
    test_end();
}

static bool moves(u32 core)
{
    u32 before = progress[core];
    u64 end = deadline(10000);
    while (progress[core] == before) {
        if (past(end)) {
            return false;
        }
        pause();
    }
    return true;
}

static void sipi_ignored(void)
{
    static const struct start plain;
    const struct start elsewhere = {.page = 1};
    test_begin("sipi-running-ignored");
    for (u32 i = 1; i < core_count; i++) {
        u32 starts = cores[i]->starts;
        start_prepare(cores[i], &elsewhere);
        core_begin(cores[i], spin, 0);
        expect(moves(i), "core %u does not run", i);
        for (u32 n = 0; n < 3; n++) {
            apic_send(cores[i]->apic_id, ICR_ASSERT | ICR_SIPI | start_vector(1));
        }
        delay_us(5000);
        expect(moves(i) && cores[i]->starts == starts && !start_record(1)->arrived,
               "core %u: moves %u starts %u arrived %u", i, moves(i), cores[i]->starts - starts,
               start_record(1)->arrived);
        expect(core_start(cores[i], &plain), "core %u did not restart", i);
    }
    test_end();
}

/* An emulator may take a while to tell its thread, and on a busy machine the thread itself stands
 * still for some 10 ms; a core that never stops shows afterwards. */
static void wait_standstill(u32 core)
{
    u64 end = deadline(10000);
    for (u32 still = 0; still < 10 && !past(end);) {
        u32 before = progress[core];
        delay_us(20000);
        still = progress[core] == before ? still + 1 : 0;
    }
}

static void init_stops(void)
{
    test_begin("init-stops");
    for (u32 i = 1; i < core_count; i++) {
        const struct start sipi_only = {.no_init = true};
        core_begin(cores[i], spin, 0);
        expect(moves(i), "core %u does not run", i);
        apic_send(cores[i]->apic_id, ICR_ASSERT | ICR_INIT);
        wait_standstill(i);
        u32 stopped = progress[i];
        /* Wakes no core that waits for a SIPI. TCG keeps it requested although the APIC is off by
         * then. */
        apic_send(cores[i]->apic_id, ICR_ASSERT | 0x90);
        delay_us(5000);
        expect(progress[i] == stopped, "core %u runs on after INIT", i);
        expect(core_start(cores[i], &sipi_only), "core %u did not start at its SIPI", i);
    }
    test_end();
}

/* INIT to all but self, as firmware does it, and the de-assert form that does nothing (SDM 10.6.1).
 */
static void init_broadcast(void)
{
    static const struct start sipi_only = {.no_init = true};
    test_begin("init-broadcast");
    for (u32 i = 1; i < core_count; i++) {
        core_begin(cores[i], spin, 0);
        expect(moves(i), "core %u does not run", i);
    }
    apic_send(0xff, ICR_INIT | 1 << 15 | ICR_OTHERS);
    delay_us(5000);
    for (u32 i = 1; i < core_count; i++) {
        expect(moves(i), "core %u stopped at INIT level de-assert", i);
    }
    apic_send(0xff, ICR_ASSERT | ICR_INIT | ICR_OTHERS);
    for (u32 i = 1; i < core_count; i++) {
        wait_standstill(i);
    }
    for (u32 i = 1; i < core_count; i++) {
        expect(core_start(cores[i], &sipi_only), "core %u did not start", i);
    }
    test_end();
}

void start_probes(void)
{
    init_state();
    restarts();
    sipi_ignored();
    init_stops();
    init_broadcast();
}
