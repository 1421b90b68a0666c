/* Cycles: as many as instructions while running, none while halted. */
#include "apic.h"
#include "core.h"
#include "probe.h"

enum { TIMER_VECTOR = 0x91, TICKS = 1000000 };

static void on_timer(struct frame *frame)
{
    (void)frame;
    apic_eoi();
}

void halt_probe(u32 cycles, u32 reference)
{
    test_begin("halted-time-counts-nothing");
    apic_enable();
    this_core()->handler[TIMER_VECTOR] = on_timer;
    apic_write(APIC_TIMER_DIVIDE, 0xb);
    apic_write(APIC_LVT_TIMER, TIMER_VECTOR);
    u64 tsc = rdtsc(), cycles_before = rdmsr(cycles), reference_before = rdmsr(reference);
    apic_write(APIC_TIMER_INITIAL, TICKS);
    __asm__ volatile("sti; hlt; cli");
    u64 halted_tsc = rdtsc() - tsc;
    u64 halted_cycles = rdmsr(cycles) - cycles_before,
        halted_reference = rdmsr(reference) - reference_before;
    expect(halted_tsc > TICKS / 2, "HLT took %lu TSC ticks only", halted_tsc);
    expect(halted_cycles > 10 && halted_cycles < 2000, "%lu core cycles", halted_cycles);
    expect(halted_reference > 0 && halted_reference < TICKS / 10, "%lu reference cycles",
           halted_reference);
    apic_write(APIC_LVT_TIMER, APIC_LVT_MASK);
    tsc = rdtsc();
    reference_before = rdmsr(reference);
    for (volatile u32 k = 0; k < 100000; k++) {
    }
    u64 ran_tsc = rdtsc() - tsc, ran_reference = rdmsr(reference) - reference_before;
    expect(ran_reference + ran_tsc / 50 > ran_tsc && ran_reference < ran_tsc + ran_tsc / 50,
           "%lu reference cycles in %lu TSC ticks", ran_reference, ran_tsc);
    test_end();
}
