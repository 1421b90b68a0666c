/* Kept blocks (hv/include/kept.h) on a machine whose firmware is up. */
#ifndef CEDE_KEPT_BLOCKS_H
#define CEDE_KEPT_BLOCKS_H

#include "kept.h"

/* The block of this kind that lies next above `after` (NULL: the first), or NULL. */
struct kept *kept_find(u32 kind, const struct kept *after);

/* The newest of this kind that says something: has text, or as `says` judges; NULL if none does. */
struct kept *kept_newest(u32 kind, bool (*says)(const struct kept *block));

/* A new one with at least `bytes` of payload, all 0, as EfiReservedMemoryType: no OS uses it. It is
 * newer than all of its kind, and lies on none of any kind. NULL: there is no room. */
struct kept *kept_alloc(u32 kind, u64 bytes);

/* One that was found in free memory becomes reserved likewise; true also if it is already. */
bool kept_hold(const struct kept *block);

/* One that was found is no block any more; reserved memory becomes free if it was this boot's. */
void kept_drop(struct kept *block);

#endif
