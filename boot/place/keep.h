/* The kept block for the hypervisor's last words, and the one of an earlier boot. */
#ifndef CEDE_PLACE_KEEP_H
#define CEDE_PLACE_KEEP_H

#include "boot_info.h"
#include "kept.h"

/* The newest block that an earlier boot has left something in, or NULL. */
struct kept *keep_last(void);

/* How many of a core's exits a ring has. */
u32 keep_exits(const struct kept_exit ring[KEPT_EXITS]);

/* A block for this boot; size 0 where there is no room, which is no reason to refuse. Of earlier
 * ones only `last` stays, reserved: an OS that runs under Cede must not wear it away before the
 * operator looks. */
struct boot_range keep_take(struct kept *last, u32 rings);

void keep_undo(const struct boot_range *range);

#endif
