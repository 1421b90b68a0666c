/* Whether the running processor can give a guest what a policy's grants open (pmu_policy.h).
 * Linked into the loader as well, for its refusals and for --check: like the preflight it only
 * executes CPUID, and RDMSR of what CPUID promises. */
#ifndef CEDE_PMU_GRANTS_H
#define CEDE_PMU_GRANTS_H

#include "pmu_policy.h"
#include "preflight.h"

enum grant_answer {
    GRANT_GIVEN,
    GRANT_ABSENT,     /* the processor has no such thing: the line means nothing here */
    GRANT_SHARED,     /* other guests have cores of the same socket */
    GRANT_UNSWITCHED, /* guest and hypervisor would share the registers */
    GRANT_NO_CONTROL, /* VT-x lacks the controls that keep the hypervisor's out of it */
    GRANT_NOT_YET,    /* it writes to memory by itself, and nobody here looks where */
};

/* For a guest on the running processor; `guests` is how many there are, the firmware's included. */
enum grant_answer grant_ask(const struct cpu_ops *ops, enum policy_grant grant, u32 guests);

/* Those that are given, as bits of enum policy_grant. */
u32 grants_possible(const struct cpu_ops *ops, u32 guests);

/* What a line says. */
const char *grant_name(enum policy_grant grant);

/* Why not, or that it is so; to be used behind a colon. */
const char *grant_text(enum grant_answer answer);

/* The first grant that a line of its own opens and that is refused with a reason, or GRANTS.
 * `allow everything` means whatever can be given. */
enum policy_grant grants_refused(const struct cpu_ops *ops, const struct pmu_policy *policy,
                                 u32 guests, enum grant_answer *why);

#endif
