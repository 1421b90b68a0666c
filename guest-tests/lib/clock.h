/* Time: the TSC, calibrated once against the ACPI timer (3.579545 MHz). For bounding waits, not for
 * measuring: nothing asserts wall-clock time. */
#ifndef CEDE_GUEST_CLOCK_H
#define CEDE_GUEST_CLOCK_H

#include "cpu.h"

/* Without a timer (port 0) 1 GHz is assumed. */
void clock_calibrate(u16 pm_timer_port);

/* Where the frequency is known. */
void clock_set(u64 megahertz);

u64 clock_ticks_per_us(void);

u64 deadline(u32 milliseconds);
void delay_us(u32 microseconds);

static inline bool past(u64 end)
{
    return rdtsc() >= end;
}

#endif
