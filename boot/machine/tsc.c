#include "machine/tsc.h"

#include "machine/console.h"
#include "machine/cpu_ops.h"

#define PM_TIMER_HZ   3579545 /* ACPI 4.8.2.1 */
#define PM_TIMER_MASK 0xffffffU
#define TICKS         (PM_TIMER_HZ / 10)
#define PATIENCE      4000000 /* reads, of which each takes the chipset about 1 us */

static u64 read_tsc(void)
{
    u32 low, high;

    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
    return (u64)high << 32 | low;
}

static u32 read_timer(u16 port)
{
    u32 value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "d"(port));
    return value & PM_TIMER_MASK;
}

/* Leaf 15H: the TSC's ratio to a crystal, and the crystal's frequency (SDM 20.7.3). */
static u32 enumerated_khz(void)
{
    u64 below = cpuid_value(0x15, 0, CPUID_EAX), above = cpuid_value(0x15, 0, CPUID_EBX);
    u64 crystal = cpuid_value(0x15, 0, CPUID_ECX);

    return below ? (u32)(crystal * above / below / 1000) : 0;
}

/* The next tick's time; false if none comes. */
static bool next_tick(u16 port, u32 *timer, u64 *tsc)
{
    u32 before = read_timer(port);

    for (u32 reads = 0; reads < PATIENCE; reads++)
        if ((*timer = read_timer(port)) != before) {
            *tsc = read_tsc();
            return true;
        }
    return false;
}

static u32 measured_khz(u16 port)
{
    u32 first, last;
    u64 start, end;

    if (!port || !next_tick(port, &first, &start))
        return 0;
    for (u32 reads = 0; reads < PATIENCE; reads++)
        if (((read_timer(port) - first) & PM_TIMER_MASK) >= TICKS)
            return !next_tick(port, &last, &end) ? 0
                                                 : (u32)((end - start) * PM_TIMER_HZ /
                                                         ((last - first) & PM_TIMER_MASK) / 1000);
    return 0;
}

u32 tsc_khz_exactly(u16 pm_timer)
{
    u32 khz = enumerated_khz();

    khz = khz ? khz : measured_khz(pm_timer);
    return khz ? khz : console_tsc_khz();
}
