/* The page tables for the call into the hypervisor: a plain identity map, everything writable and
 * executable. Pure, so that the shapes no test bed has are tested on the host. */
#ifndef CEDE_TABLES_H
#define CEDE_TABLES_H

#include "types.h"

struct tables_shape {
    u64 top;          /* maps at least [0, top) */
    bool gib_pages;   /* CPUID 8000_0001 EDX[26] */
    bool five_levels; /* as the firmware's CR4.LA57: it cannot change in long mode (APM 5.3.1) */
};

/* Bytes they take. */
u64 tables_size(const struct tables_shape *shape);

/* Writes them to memory[tables_size()], zeroed and page-aligned, whose address is `base`; returns
 * the root, for CR3. */
u64 tables_fill(const struct tables_shape *shape, u64 *memory, u64 base);

#endif
