/* The PMU: what the processor has, a policy for each guest (guest.h), a state for each core. */
#ifndef CEDE_PMU_H
#define CEDE_PMU_H

#include "cpu.h"
#include "pmu_grants.h"
#include "msr/msr_table.h"

struct guest;
struct guest_pmu;

struct pmu {
    struct pmu_amd_caps amd;     /* of these, one vendor's */
    struct pmu_intel_caps intel; /* the boot processor's; each core has its own (pmu/intel.h) */
    u32 grants;                  /* that the processor can give, as bits of enum policy_grant */
    u32 lacking;                 /* features that a grant would open and the processor has not */
    bool vmrun_branch; /* AMD: the processor counts VMRUN as a branch of the guest's kernel */
};

extern struct pmu pmu;

/* Once, on the boot processor: what the processor has. */
void pmu_prepare(const struct msr_context *context);

/* Then for each guest: its policy, of which the MSR table must know some, too. False: no memory. */
bool pmu_prepare_guest(struct guest *guest);

/* Once on each core, before its first entry: firmware's selectors are judged like the guest's. */
void pmu_start(struct cpu *cpu);

/* For a life of the guest that begins (guest.h): all counters and selectors are 0. */
void pmu_restart(struct cpu *cpu);

/* What a guest has of what its policy opens, as bits of enum policy_grant. */
u32 pmu_grants(const struct guest_pmu *own);

/* The first grant of a policy that this machine cannot give, and why; or GRANTS. */
enum policy_grant pmu_refused(const struct pmu_policy *policy, enum grant_answer *why);

/* A change of policy in its two steps (guest/change.h): what takes long, while everybody runs;
 * then, with the guest's cores stopped, that policy, unless it is NULL, and the mode. */
void pmu_build(const struct pmu_policy *policy);
void pmu_adopt(struct guest *guest, enum pmu_mode mode, const struct pmu_policy *policy);

/* On a core whose guest is out: it was denied to put `value` into a register; `msr` 0: a selector.
 */
void pmu_note_denial(struct cpu *cpu, u32 msr, u64 value);

/* On a core whose guest is out: follows the changes that it has missed. */
void pmu_update(struct cpu *cpu);

#endif
