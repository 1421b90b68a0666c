/* Where a PMI lands: exactly `skid` instructions after the one that overflows. */
#include "apic.h"
#include "core.h"
#include "machine.h"
#include "probe.h"

enum { BEFORE = 500, FIXED_VECTOR = 0x90 };
#define PRESET ((BIT(48) - 1) & -(u64)BEFORE)

static struct {
    u32 counter;
    const struct counted_switch *how;
    volatile u32 hits;
    u64 rip;
    u32 lvt;
    void (*clear)(void);
} seen;

static void on_pmi(struct frame *frame)
{
    seen.hits++;
    seen.rip = frame->rip;
    seen.lvt = apic_read(APIC_LVT_PMC);
    seen.clear();
    if (frame->vector != VECTOR_NMI) {
        apic_eoi();
    }
}

/* Runs into the overflow with LVTPC as given. */
static void overflow(u32 lvt)
{
    seen.hits = 0;
    wrmsr(seen.counter, PRESET);
    apic_write(APIC_LVT_PMC, lvt);
    body_nops(seen.how);
}

static void deliver(const char *name, u32 lvt, bool masks)
{
    irq_on();
    overflow(lvt);
    irq_off();
    expect(seen.hits == 1, "%s: %u interrupts, not 1", name, seen.hits);
    expect_equal("instructions before the PMI", seen.rip - (u64)body_nops_start,
                 BEFORE + option_number("skid", 0));
    expect(!!(seen.lvt & APIC_LVT_MASK) == masks, "%s: LVTPC is %x in the handler", name, seen.lvt);
}

static void hold_back(void)
{
    overflow(FIXED_VECTOR);
    expect(seen.hits == 0, "a fixed vector comes with IF=0");
    irq_on();
    __asm__ volatile("nop");
    irq_off();
    expect(seen.hits == 1, "%u interrupts after IF=0, not 1", seen.hits);
}

static void drop(const char *name, u32 lvt)
{
    overflow(lvt);
    irq_on();
    __asm__ volatile("nop");
    irq_off();
    expect(seen.hits == 0, "%s, and yet an interrupt", name);
    seen.clear();
}

void pmi_probe(const char *name, u32 counter, const struct counted_switch *how, void (*clear)(void),
               bool masks)
{
    struct core *core = this_core();
    test_begin(name);
    seen.clear = clear;
    seen.counter = counter;
    seen.how = how;
    core->handler[VECTOR_NMI] = core->handler[FIXED_VECTOR] = on_pmi;
    apic_enable();
    deliver("NMI", 4 << 8, masks);
    deliver("fixed vector", FIXED_VECTOR, masks);
    hold_back();
    drop("masked", APIC_LVT_MASK | 4 << 8);
    apic_write(APIC_SVR, 0xff);
    drop("APIC disabled", 4 << 8);
    apic_enable();
    core->handler[VECTOR_NMI] = core->handler[FIXED_VECTOR] = NULL;
    test_end();
}
