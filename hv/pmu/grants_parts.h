/* The vendors' parts of pmu_grants.h: what of a core's own can be given. */
#ifndef CEDE_GRANTS_PARTS_H
#define CEDE_GRANTS_PARTS_H

#include "pmu_grants.h"

enum grant_answer grant_ask_amd(const struct cpu_ops *ops, enum policy_grant grant);
enum grant_answer grant_ask_intel(const struct cpu_ops *ops, enum policy_grant grant);

/* Intel: architectural branch records, and the controls that clear IA32_LBR_CTL at exits and load
 * it at entries. */
bool lbr_ctl_is_switched(const struct cpu_ops *ops);

#endif
