/* The time-stamp counter, for patience and rates. */
#ifndef CEDE_TSC_H
#define CEDE_TSC_H

#include "types.h"

static inline u64 rdtsc(void)
{
    u32 low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (u64)high << 32 | low;
}

#endif
