/* A policy (pmu_policy.h) on a processor: which events its selectors may name, which of its
 * counters and of its auxiliary registers' values are allowed. Pure: tools run this very code. */
#ifndef CEDE_PMU_POLICY_APPLY_H
#define CEDE_PMU_POLICY_APPLY_H

#include "pmu/filter.h"

/* What presets mean on a processor. */
struct policy_cpu {
    const struct filter_format *format;
    const struct filter_entry *architectural, *core;
    u32 architectural_count, core_count;
};

/* All events that count what their own core does and need no auxiliary register. */
extern const struct filter_entry policy_core_amd[1], policy_core_intel[13];

/* What a guest gets when nothing is said: `allow architectural`. */
extern const struct pmu_policy policy_default;

/* For start-up and policy changes: at most 2^16 steps per line. */
void policy_build(struct filter *filter, const struct pmu_policy *policy,
                  const struct policy_cpu *cpu);

/* The fixed counters that may count, as bits. */
u32 policy_fixed(const struct pmu_policy *policy);

/* The selector bits of the modifiers that may be used; those that a format lacks mean nothing. */
u64 policy_modifiers(const struct pmu_policy *policy);

/* What it opens beyond the core's counters, as bits of enum policy_grant, whether or not a
 * processor can give it. */
u32 policy_grants(const struct pmu_policy *policy);

/* Whether an auxiliary register may hold a value; 0 selects nothing and always may. */
bool policy_allows_aux(const struct pmu_policy *policy, enum policy_aux_register kind, u64 value);

#endif
