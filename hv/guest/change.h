/* A guest's PMU policy changes while it runs. */
#ifndef CEDE_CHANGE_H
#define CEDE_CHANGE_H

#include "cpu.h"

struct guest;

/* Another mode, and another policy unless it is NULL: stops the guest's cores, judges again what is
 * programmed, lets them go on. Returns how many cores were stopped, others follow when they start;
 * or PMU_BUSY: another change is in progress, nothing was changed. `self` calls with its own guest
 * out and holds no lock. */
#define PMU_BUSY (~0U)
u32 guest_change_pmu(struct cpu *self, struct guest *guest, enum pmu_mode mode,
                     const struct pmu_policy *policy);

#endif
