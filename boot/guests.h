/* The guests that cede.conf describes, from the firmware's side: which core is whose. */
#ifndef CEDE_GUESTS_H
#define CEDE_GUESTS_H

#include "memory.h"
#include "mp.h"
#include "plan.h"

/* Checks the guests against this machine; says all that is wrong when false. plan_free() in any
 * case. */
bool guests_plan(const struct conf *conf, const struct mp *mp, const struct memory *memory,
                 struct plan *plan);
void guests_plan_free(struct plan *plan);

/* For --check. */
void guests_report(const struct conf *conf, const struct plan *plan);

#endif
