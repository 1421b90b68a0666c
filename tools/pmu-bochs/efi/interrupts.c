/* Interrupts in the middle of what is counted: each is one where its handler starts, and a repeated
 * string instruction that it cuts in two is still one instruction. */
#include "apic.h"
#include "core.h"
#include "probe.h"

enum { TIMER_VECTOR = 0x92, PERIOD = 500, PERIODIC = 1 << 17, DIVIDE_BY_1 = 0xb };

static void on_tick(struct frame *frame)
{
    (void)frame;
    apic_eoi();
}

static struct {
    u32 instructions, interrupts;
    const struct counted_switch *how;
} counters;

static u64 count(void (*body)(const struct counted_switch *how), u64 *interrupts)
{
    wrmsr(counters.instructions, 0);
    wrmsr(counters.interrupts, 0);
    body(counters.how);
    *interrupts = rdmsr(counters.interrupts);
    return rdmsr(counters.instructions);
}

/* -> the instructions of one interrupt's handler, from what they add to a body's own */
static u64 handler_length(const char *name, void (*body)(const struct counted_switch *how))
{
    u64 interrupts, quiet = count(body, &interrupts);
    expect(interrupts == 0, "%s: %lu interrupts with none enabled", name, interrupts);
    apic_write(APIC_LVT_TIMER, PERIODIC | TIMER_VECTOR);
    apic_write(APIC_TIMER_INITIAL, PERIOD);
    irq_on();
    u64 more = count(body, &interrupts) - quiet;
    irq_off();
    apic_write(APIC_TIMER_INITIAL, 0);
    apic_write(APIC_LVT_TIMER, APIC_LVT_MASK);
    expect(interrupts >= 3, "%s: %lu interrupts only", name, interrupts);
    expect(interrupts && more % interrupts == 0, "%s: %lu more instructions in %lu interrupts",
           name, more, interrupts);
    return interrupts ? more / interrupts : 0;
}

void interrupts_probe(u32 instructions, u32 interrupts, const struct counted_switch *how)
{
    test_begin("interrupts");
    counters.instructions = instructions;
    counters.interrupts = interrupts;
    counters.how = how;
    apic_enable();
    apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
    this_core()->handler[TIMER_VECTOR] = on_tick;
    u64 in_loop = handler_length("loop", body_loop);
    if (core_count ==
        1) { /* with more, no time passes on this emulator while one instruction runs */
        u64 in_rep = handler_length("rep", body_rep);
        expect_equal("the handler's instructions in a repeated instruction", in_rep, in_loop);
    }
    this_core()->handler[TIMER_VECTOR] = NULL;
    test_end();
}
