/* Whether what the loader says of guests can be: each core has one guest, no two ranges of memory
 * overlap, pieces are inside. Pure. */
#ifndef CEDE_GUEST_CHECK_H
#define CEDE_GUEST_CHECK_H

#include "boot_info.h"

/* `top`: end of the memory that Cede maps. */
bool guests_are_sane(const struct boot_info *info, const struct boot_guest *guests, u64 top);

#endif
