/* The core that Cede keeps for its console (cede.conf: management; hv/guest/management.h). */
#ifndef CEDE_MANAGEMENT_H
#define CEDE_MANAGEMENT_H

#include "conf/conf.h"
#include "guests/plan.h"

/* Puts the index of the core in *conf in place of what the operator wrote, or NO_MANAGEMENT. False,
 * having said so, if there is no such core. */
bool management_choose(struct conf *conf, const struct plan *plan, const struct boot_uart *uart);

/* Hides that core and the partitions' from the OS, and gives them to the hypervisor when boot
 * services end. */
void management_arrange(const struct conf *conf, const struct plan *plan);

/* Before our image is unloaded. */
void management_undo(void);

#endif
