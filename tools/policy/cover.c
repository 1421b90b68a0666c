#include "cover.h"

static bool inside(const struct umasks *set, struct cube cube)
{
    for (unsigned u = 0; u < 256; u++)
        if ((u & cube.mask) == cube.match && !set->in[u])
            return false;
    return true;
}

static unsigned gain(const struct umasks *left, struct cube cube)
{
    unsigned count = 0;

    for (unsigned u = 0; u < 256; u++)
        count += (u & cube.mask) == cube.match && left->in[u];
    return count;
}

/* The cube within the set that covers most of what is left. */
static struct cube best_cube(const struct umasks *set, const struct umasks *left)
{
    struct cube best = {0, 0};
    unsigned most = 0;

    for (unsigned mask = 0; mask < 256; mask++) {
        for (unsigned match = 0; match < 256; match++) {
            struct cube cube = {(u8)mask, (u8)match};
            unsigned gained;

            if ((match & ~mask) || 1U << (8 - __builtin_popcount(mask)) <= most ||
                !inside(set, cube))
                continue;
            gained = gain(left, cube);
            if (gained > most) {
                most = gained;
                best = cube;
            }
        }
    }
    return best;
}

static bool is_empty(const struct umasks *set)
{
    for (unsigned u = 0; u < 256; u++)
        if (set->in[u])
            return false;
    return true;
}

size_t cover(const struct umasks *set, struct cube out[128])
{
    struct umasks left = *set;
    size_t count = 0;

    for (; !is_empty(&left); count++) {
        out[count] = best_cube(set, &left);
        for (unsigned u = 0; u < 256; u++)
            if ((u & out[count].mask) == out[count].match)
                left.in[u] = false;
    }
    return count;
}
