/* Where a PMI lands: exactly `skid` instructions after the one that overflows. */
#include "apic.h"
#include "core.h"
#include "machine.h"
#include "probe.h"

enum { BEFORE = 500, FIXED_VECTOR = 0x90 };
#define PRESET ((BIT(48) - 1) & -(u64)BEFORE)

static struct {
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

static void deliver(const char *how_called, u32 counter, const struct counted_switch *how, u32 lvt,
                    bool masks)
{
    u64 skid = option_number("skid", 0);
    seen.hits = 0;
    wrmsr(counter, PRESET);
    apic_write(APIC_LVT_PMC, lvt);
    irq_on();
    body_nops(how);
    irq_off();
    expect(seen.hits == 1, "%s: %u interrupts, not 1", how_called, seen.hits);
    expect_equal("instructions before the PMI", seen.rip - (u64)body_nops_start, BEFORE + skid);
    expect(!!(seen.lvt & APIC_LVT_MASK) == masks, "%s: LVTPC is %x in the handler", how_called,
           seen.lvt);
}

void pmi_probe(const char *name, u32 counter, const struct counted_switch *how, void (*clear)(void),
               bool masks)
{
    struct core *core = this_core();
    test_begin(name);
    seen.clear = clear;
    core->handler[VECTOR_NMI] = core->handler[FIXED_VECTOR] = on_pmi;
    apic_enable();
    deliver("NMI", counter, how, 4 << 8, masks);
    deliver("fixed vector", counter, how, FIXED_VECTOR, masks);
    seen.hits = 0;
    wrmsr(counter, PRESET);
    apic_write(APIC_LVT_PMC, APIC_LVT_MASK | 4 << 8);
    body_nops(how);
    expect(seen.hits == 0, "masked, and yet an interrupt");
    clear();
    core->handler[VECTOR_NMI] = core->handler[FIXED_VECTOR] = 0;
    test_end();
}
