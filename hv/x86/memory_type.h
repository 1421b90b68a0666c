/* Memory types by the MTRRs: where they change, so that no large page straddles two, and what they
 * are (APM 7.7, SDM 12.11). */
#ifndef CEDE_MEMORY_TYPE_H
#define CEDE_MEMORY_TYPE_H

#include "types.h"

#define MAX_VARIABLE_MTRRS 16
#define FIXED_MTRRS        11 /* eight ranges each */

enum memory_type { TYPE_UC = 0, TYPE_WC = 1, TYPE_WT = 4, TYPE_WP = 5, TYPE_WB = 6 };

struct memory_types {
    bool enabled; /* MTRRdefType.E; otherwise everything is uncacheable */
    bool fixed;   /* fixed-range MTRRs cover the first MiB */
    u32 count;    /* valid variable MTRRs */
    u8 default_type;
    u8 type[MAX_VARIABLE_MTRRS];
    u64 fixed_types[FIXED_MTRRS]; /* a byte per range, in order of address */
    u64 base[MAX_VARIABLE_MTRRS];
    u64 mask[MAX_VARIABLE_MTRRS]; /* within MAXPHYADDR */
    u64 top_of_memory2; /* AMD TOM2: the default type changes here (APM 7.9.1); 0 = none */
    u64 physical_mask;  /* MASK(MAXPHYADDR - 1, 0) */
};

/* Whether every byte of [start, start + size) certainly has one memory type. */
bool memory_type_uniform(const struct memory_types *types, u64 start, u64 size);

/* The type of the byte at `address`. */
u8 memory_type_of(const struct memory_types *types, u64 address);

bool memory_types_equal(const struct memory_types *a, const struct memory_types *b);

/* Reads the running processor's MTRRs. */
void memory_types_read(struct memory_types *types);

#endif
