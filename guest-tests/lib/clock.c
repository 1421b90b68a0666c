#include "clock.h"

#define BUSY 8 /* times as slow */

static u64 ticks_per_us = 1000;

void clock_calibrate(u16 port)
{
    const u32 want = 35795; /* 10 ms */
    u32 passed = 0, patience = 10000000;
    if (!port) {
        return;
    }
    u32 last = inl(port);
    u64 start = rdtsc();
    while (passed < want && --patience) {
        u32 now = inl(port);
        passed += (now - last) & 0xffffff;
        last = now;
    }
    u64 measured = (rdtsc() - start) / (passed ? (u64)passed * 10000 / want : 1);
    ticks_per_us = patience && measured ? measured : ticks_per_us;
}

void clock_set(u64 megahertz)
{
    ticks_per_us = megahertz;
}

u64 clock_ticks_per_us(void)
{
    return ticks_per_us;
}

/* It only ends what would hang, and the machine below an emulator may be busy. */
u64 deadline(u32 milliseconds)
{
    return rdtsc() + milliseconds * 1000ULL * BUSY * ticks_per_us;
}

void delay_us(u32 microseconds)
{
    u64 end = rdtsc() + microseconds * ticks_per_us;
    while (!past(end)) {
        pause();
    }
}
