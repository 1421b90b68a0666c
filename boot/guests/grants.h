/* What the policies of cede.conf open beyond the core's counters, on this machine (pmu_grants.h).
 */
#ifndef CEDE_BOOT_GRANTS_H
#define CEDE_BOOT_GRANTS_H

#include "guests/plan.h"

/* Whether all of it can be given. When false, the first that cannot of each list is said. */
bool grants_plan(const struct conf *conf, const struct plan *plan);

/* For --check: each grant, and why not. */
void grants_report(const struct plan *plan);

#endif
