/* The PMU as the exit path sees it: one policy for the guest, one state per core. */
#ifndef CEDE_PMU_H
#define CEDE_PMU_H

#include "cpu.h"
#include "msr_table.h"

struct pmu {
    enum pmu_mode mode;
    struct filter filter;            /* what exits ask; but in PMU_FILTERED it denies everything */
    u32 generation;                  /* changes so far */
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

/* Another mode, and another policy unless it is NULL, for all cores while their guests run: stops
 * them, judges again what is programmed, lets them go on. Returns how many cores were stopped;
 * those that run no guest follow when they start. 0: another change is in progress, nothing was
 * changed. `self` calls with its own guest out and holds no lock. */
u32 pmu_change(struct cpu *self, enum pmu_mode mode, const struct pmu_policy *policy);

/* On a core whose guest is out: it was denied to put `value` into a register; `msr` 0: a selector.
 */
void pmu_note_denial(struct cpu *cpu, u32 msr, u64 value);

/* On a core whose guest is out: follows the changes that it has missed. */
void pmu_update(struct cpu *cpu);

#endif
