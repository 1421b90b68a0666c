/* The PMU as the exit path sees it: one policy for the guest, one state per core. */
#ifndef CEDE_PMU_H
#define CEDE_PMU_H

#include "cpu.h"
#include "pmu/amd.h"

struct pmu {
    enum pmu_mode mode;
    struct filter filter;
    struct pmu_amd_caps caps;
};

extern struct pmu pmu;

/* Once, on the boot processor: what the processor has, and the guest's policy. */
void pmu_prepare(enum pmu_mode mode, u32 family);

/* Once on each core, before its first entry: firmware's selectors are judged like the guest's. */
void pmu_start(struct cpu *cpu);

#endif
