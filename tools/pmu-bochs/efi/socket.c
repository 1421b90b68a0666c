/* Counters of the socket, and energy: they run while they are switched on, and keep their value
 * while not. */
#include "probe.h"

#define RUNS BIT(22)

static u64 grows(u32 counter)
{
    u64 before = rdmsr(counter);

    for (u32 k = 0; k < 10000; k++)
        __asm__ volatile("pause");
    return rdmsr(counter) - before;
}

void socket_probe(const struct socket_counter *counters, u32 count)
{
    test_begin("socket");
    for (u32 k = 0; k < count; k++) {
        const struct socket_counter *now = &counters[k];

        wrmsr(now->control, 0);
        expect_equal("a counter that is off", grows(now->counter), 0);
        wrmsr(now->control, RUNS | 1);
        expect(grows(now->counter) >= 10000, "counter %x does not run", now->counter);
        wrmsr(now->control, 0);
        expect_equal("a counter that is off again", grows(now->counter), 0);
        wrmsr(now->counter, ~0ULL);
        expect_equal("48 bits", rdmsr(now->counter), 0xffffffffffff);
    }
    test_end();
}

void energy_probe(u32 unit, u32 status)
{
    test_begin("energy");
    expect_equal("the unit", rdmsr(unit), 0xa0e03);
    expect(grows(status) > 0, "no energy is used");
    expect_write(status, 0, VECTOR_GP);
    expect_write(unit, 0, VECTOR_GP);
    test_end();
}
