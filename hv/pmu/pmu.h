/* The PMU as the exit path sees it: one policy for the guest, one state per core. */
#ifndef CEDE_PMU_H
#define CEDE_PMU_H

#include "cpu.h"
#include "msr_table.h"

struct pmu {
    enum pmu_mode mode;
    struct filter filter;
    const struct pmu_policy *policy; /* what the filter was built from */
    struct pmu_amd_caps amd;         /* of these, one vendor's */
    struct pmu_intel_caps intel;
    struct pmu_intel_limits limits;
    bool vmrun_branch; /* AMD: the processor counts VMRUN as a branch of the guest's kernel */
};

extern struct pmu pmu;

/* Once, on the boot processor: what the processor has, and the guest's policy. Adds to *context
 * what the MSR table must know of them. */
void pmu_prepare(struct msr_context *context);

/* Once on each core, before its first entry: firmware's selectors are judged like the guest's. */
void pmu_start(struct cpu *cpu);

#endif
