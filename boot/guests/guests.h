/* The guests that cede.conf describes, from the firmware's side: which core is whose, and what the
 * hypervisor is told of each. */
#ifndef CEDE_GUESTS_H
#define CEDE_GUESTS_H

#include "machine/memory.h"
#include "machine/mp.h"
#include "guests/plan.h"

/* Checks the guests against this machine and describes them in plan->guests, but for what
 * partition.h adds. Says all that is wrong when false. guests_free() in any case. */
bool guests_plan(const struct conf *conf, const struct mp *mp, const struct memory *memory,
                 struct plan *plan);
void guests_free(struct plan *plan);

/* Names, cores and memory, where there are partitions. */
void guests_report(const struct plan *plan);

#endif
