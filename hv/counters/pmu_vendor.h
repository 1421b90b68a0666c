/* What differs between the vendors' PMUs where nothing is in a hurry: start, change of policy.
 * Exits go by the vendor's own code. */
#ifndef CEDE_PMU_VENDOR_H
#define CEDE_PMU_VENDOR_H

#include "counters/pmu.h"
#include "pmu/policy.h"

struct pmu_vendor {
    /* What the processor has (struct pmu), and what policies must know of it. */
    void (*describe)(u16 family, struct policy_cpu *processor);
    /* What of a policy is no filter's: to be set before the guest's MSR permissions are. */
    void (*limit)(struct guest *guest);
    /* pmu_start, for one core. */
    void (*start)(struct cpu *cpu);
    /* Counters and selectors of the running core to 0, while nothing counts. */
    void (*zero)(void);
    /* The running core from another mode or filter to its guest's. */
    void (*follow)(struct cpu *cpu, enum pmu_mode from);
    /* A core's selectors as its guest wrote them, and how many. */
    const u64 *(*shadow)(const struct cpu *cpu, u32 *count);
};

extern const struct pmu_vendor pmu_vendor_amd, pmu_vendor_intel;

/* How code that is the same on host and target reaches this machine. */
extern const struct pmu_access pmu_native;

#endif
