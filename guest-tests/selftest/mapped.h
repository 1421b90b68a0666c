/* Whether an address can be read: what is at it may be a device that nobody mapped. */
#ifndef CEDE_SELFTEST_MAPPED_H
#define CEDE_SELFTEST_MAPPED_H

#include "types.h"

/* By the page tables below `root`, a page that is mapped where it lies (as firmware has all of
 * them), of 4 or 5 levels (SDM 4.5, APM 5.3). */
bool is_mapped(u64 root, u32 levels, u64 address);

#endif
