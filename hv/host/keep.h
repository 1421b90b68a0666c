/* What outlives a warm reset: the lines of panic reports, and with `trace = on` the last slow exits
 * of each core, in the loader's kept block (hv/include/kept.h).
 *
 * The block is hidden from all guests as the region is. It is not in the region, which lies where
 * the firmware's next boot puts its own things. A device's DMA can reach it all the same: so Cede
 * writes there and never reads, and what it goes by is in the region. The reader, the next boot's
 * loader, expects garbage. */
#ifndef CEDE_KEEP_H
#define CEDE_KEEP_H

#include "hv.h"
#include "kept.h"

/* At start. Nothing is kept where there is no block, or one that is not as boot_info.h says. */
void keep_prepare(void);

/* A slow exit of this core, before it is handled; call while hv.trace only. Exits that the fast
 * path handles are not kept. The caller fills in reason, rip, cs, info, address. */
void keep_exit(struct cpu *cpu, struct kept_exit *exit);

#endif
