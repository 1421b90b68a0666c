/* The local APIC in the mode that firmware left it in: registers read and write, the timer ticks,
 * EOI ends an interrupt, and its base cannot be moved to the guest's harm. */
#include "apic.h"
#include "cede.h"
#include "clock.h"
#include "cpu.h"
#include "fault.h"
#include "report.h"
#include "smp.h"
#include "smp_probes.h"

enum {
    VECTOR_TIMER = 0xa8,
    VECTOR_SELF = 0xa9,
    PATIENCE_MS = 2000,
    TICKS = 20,
    TIMER_PERIODIC = 1 << 17,
    DIVIDE_BY_1 = 0xb,
};

struct writable {
    u32 offset, value;
};

static void registers(u64 unused)
{
    static const struct writable writes[] = {
        {APIC_TPR, 0x30},
        {APIC_LVT_TIMER, 0x100a8},
        {APIC_LVT_THERMAL, 0x100a9},
        {APIC_LVT_PMC, 0x10400},
        {APIC_LVT_LINT0, 0x10700},
        {APIC_LVT_LINT1, 0x10400},
        {APIC_LVT_ERROR, 0x100fe},
        {APIC_TIMER_DIVIDE, 0x0b},
        {APIC_SVR, 0x1ff},
        {APIC_ICR_HIGH, 0x5a000000},
        {APIC_LDR, 0x04000000},
        {APIC_DFR, 0xffffffff},
    };
    (void)unused;
    u32 last = apic_is_x2() ? 9 : COUNT(writes);
    for (u32 i = 0; i < last; i++) {
        u32 old = apic_read(writes[i].offset);
        apic_write(writes[i].offset, writes[i].value);
        expect(apic_read(writes[i].offset) == writes[i].value, "core %u: register %x is %x, not %x",
               this_core()->index, writes[i].offset, apic_read(writes[i].offset), writes[i].value);
        apic_write(writes[i].offset, old);
    }
    expect(apic_id() == this_core()->apic_id, "core %u: APIC ID %x", this_core()->index, apic_id());
    expect((apic_read(APIC_VERSION) & 0xff) >= 0x10, "version %x", apic_read(APIC_VERSION));
}

/* Every aligned register of the page, the reserved ones too; and EOI and ESR, which only act. */
static void read_all(u64 unused)
{
    static volatile u32 sum;
    (void)unused;
    for (u32 offset = 0; offset < 0x400 && !apic_is_x2(); offset += 0x10) {
        sum += xapic_read(offset);
    }
    apic_write(APIC_ESR, 0);
    apic_eoi();
}

static void timer(u64 unused)
{
    (void)unused;
    struct core *core = this_core();
    u64 end = deadline(PATIENCE_MS * 4);
    core->count[VECTOR_TIMER] = 0;
    apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, TIMER_PERIODIC | VECTOR_TIMER);
    apic_write(APIC_TIMER_INITIAL, 1000000); /* 1 ms at QEMU's 1 GHz */
    irq_on();
    while (core->count[VECTOR_TIMER] < TICKS && !past(end)) {
        pause();
    }
    irq_off();
    apic_write(APIC_TIMER_INITIAL, 0);
    apic_write(APIC_LVT_TIMER, APIC_LVT_MASK | VECTOR_TIMER);
    expect(core->count[VECTOR_TIMER] >= TICKS, "core %u: %u ticks", core->index,
           core->count[VECTOR_TIMER]);
    irq_window();
    apic_eoi();
}

static volatile u32 service_inside, service_after;

static void on_self(struct frame *frame)
{
    (void)frame;
    service_inside = apic_in_service(VECTOR_SELF);
    apic_eoi();
    service_after = apic_in_service(VECTOR_SELF);
}

/* IRR while interrupts are off, ISR in the handler, neither after EOI. */
static void eoi(u64 unused)
{
    (void)unused;
    struct core *core = this_core();
    service_inside = service_after = ~0U;
    core->handler[VECTOR_SELF] = on_self;
    apic_send(core->apic_id, ICR_ASSERT | ICR_SELF | VECTOR_SELF);
    expect(apic_requested(VECTOR_SELF), "core %u: not requested", core->index);
    irq_window();
    expect(!apic_requested(VECTOR_SELF), "core %u: still requested", core->index);
    expect(service_inside == 1 && service_after == 0, "core %u: in service %u, after EOI %u",
           core->index, service_inside, service_after);
    core->handler[VECTOR_SELF] = NULL;
}

/* TPR holds an interrupt back until it is lowered. CR8 is the same register (APM 16.4). */
static void priority(u64 unused)
{
    (void)unused;
    struct core *core = this_core();
    u32 before = core->count[VECTOR_SELF];
    apic_write(APIC_TPR, 0xf0);
    expect(READ_CR(8) == 0xf, "core %u: CR8 %lx with TPR f0", core->index, READ_CR(8));
    apic_send(core->apic_id, ICR_ASSERT | ICR_SELF | VECTOR_SELF);
    irq_window();
    expect(core->count[VECTOR_SELF] == before, "core %u: TPR did not hold it back", core->index);
    WRITE_CR(8, 0);
    expect(apic_read(APIC_TPR) == 0, "core %u: TPR %x with CR8 0", core->index,
           apic_read(APIC_TPR));
    irq_window();
    expect(core->count[VECTOR_SELF] == before + 1, "core %u: %u after TPR 0", core->index,
           core->count[VECTOR_SELF] - before);
}

static void each_core(const char *name, core_work *work)
{
    test_begin(name);
    work(0);
    for (u32 i = 1; i < core_count; i++) {
        expect(core_run(cores[i], work, 0, PATIENCE_MS * 5), "core %u did not finish", i);
    }
    test_end();
}

/* Some bare machines move the APIC, QEMU takes the value and moves nothing, Cede refuses. What
 * counts is that the old place works once the old value is back. */
static void relocation(u64 unused)
{
    (void)unused;
    u64 base = rdmsr(MSR_APIC_BASE);
    int vector = wrmsr_safe(MSR_APIC_BASE, (base & ~MASK(35, 12)) | 0xfed40000);
    u64 after = rdmsr(MSR_APIC_BASE);
    int back = wrmsr_safe(MSR_APIC_BASE, base);
    if (this_core()->index == 0) {
        say("info: APIC_BASE %lx: relocation gives fault %d and %lx", base, vector, after);
    }
    expect(back == NO_FAULT, "core %u: writing the old value gives %d", this_core()->index, back);
    expect(rdmsr(MSR_APIC_BASE) == base, "core %u: APIC_BASE %lx", this_core()->index,
           rdmsr(MSR_APIC_BASE));
    expect((base & MASK(51, 12)) == APIC_PAGE, "core %u: base %lx", this_core()->index, base);
    expect(apic_id() == this_core()->apic_id, "core %u: APIC ID %x", this_core()->index, apic_id());
    if (under_cede()) {
        expect((after & MASK(51, 12)) == APIC_PAGE, "Cede let it move to %lx", after);
    }
    eoi(0);
}

void apic_probes(void)
{
    each_core("apic-registers", registers);
    each_core("apic-read-all", read_all);
    each_core("apic-timer", timer);
    each_core("apic-eoi", eoi);
    each_core("apic-priority", priority);
    each_core("apic-base-relocation", relocation);
    each_core("apic-still-works", eoi);
}
