/* The TSC's frequency. */
#ifndef CEDE_TSC_H
#define CEDE_TSC_H

#include "types.h"

/* To a few parts in 100,000, for guests that have no other clock: what CPUID says, else against the
 * ACPI PM timer at this port; where there is none (0), to a percent, by the firmware's clock. */
u32 tsc_khz_exactly(u16 pm_timer);

#endif
