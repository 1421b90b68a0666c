/* Whether writes to the ICR exit. On AMD, and in a machine of several guests, always. On Intel a
 * sole tenant pays for it only while it starts cores:
 *
 *     firmware has the machine, or a core has not been started since  watched
 *     all have been started                                          until the next write to an
 *                                                                    APIC that is no INIT or SIPI
 *     then                                                           not watched, until an INIT
 *                                                                    arrives (guest/startup.c)
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
