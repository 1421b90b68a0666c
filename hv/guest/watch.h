/* Whether writes to the ICR exit. On AMD, and in a machine of several guests, always. On Intel a
 * sole tenant pays for it only while it starts cores:
 *
 *     watched       while firmware has the machine, and as long as a core (also one that could not
 *                   be captured) has not been started by the OS since, or since its last INIT; then
 *                   until the next write to an APIC that is no INIT or SIPI
 *     not watched   from there on, until an INIT arrives (guest/startup.c)
 *
 * so that in the steady state nothing exits. A core that its OS has taken offline runs, for Cede,
 * until it gets its INIT. */
#ifndef CEDE_WATCH_H
#define CEDE_WATCH_H

#include "hv.h"

/* While the tenant's cores are stopped, holding hv_lock: watched from here on. */
void watch_begin(void);

/* Whoever has changed what watching depends on, holding hv_lock. */
void watch_follow(void);

/* On a core that writes something else than INIT or SIPI to its APIC, where that exits; holding no
 * lock. */
void watch_other_write(struct cpu *self);

#endif
