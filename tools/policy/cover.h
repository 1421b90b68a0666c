/* Sets of umasks, and as few masked entries as a simple search finds for one. */
#ifndef CEDE_POLICY_COVER_H
#define CEDE_POLICY_COVER_H

#include "types.h"

struct umasks {
    bool in[256];
};

/* Umasks u for which (u & mask) == match. */
struct cube {
    u8 mask, match;
};

/* Cubes that together are exactly the set; returns how many, at most 128. */
size_t cover(const struct umasks *set, struct cube out[128]);

#endif
