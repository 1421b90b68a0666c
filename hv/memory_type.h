/* Where memory types change, so that no large page straddles two (APM 7.7, SDM 12.11). */
#ifndef CEDE_MEMORY_TYPE_H
#define CEDE_MEMORY_TYPE_H

#include "types.h"

#define MAX_VARIABLE_MTRRS 16

struct memory_types {
    bool enabled; /* MTRRdefType.E; otherwise everything is uncacheable */
    bool fixed;   /* fixed-range MTRRs cover the first MiB */
    u32 count;    /* valid variable MTRRs */
    u64 base[MAX_VARIABLE_MTRRS];
    u64 mask[MAX_VARIABLE_MTRRS]; /* within MAXPHYADDR */
    u64 top_of_memory2; /* AMD TOM2: the default type changes here (APM 7.9.1); 0 = none */
    u64 physical_mask;  /* MASK(MAXPHYADDR - 1, 0) */
};

/* Whether every byte of [start, start + size) certainly has one memory type. */
bool memory_type_uniform(const struct memory_types *types, u64 start, u64 size);

/* Reads the running processor's MTRRs. */
void memory_types_read(struct memory_types *types);

#endif
