#include "console/guess.h"

#define NEAR 2

static u32 less(u32 a, u32 b)
{
    return a < b ? a : b;
}

/* How far two words are apart, or a number above `limit`. At most 3^limit ways are tried. */
static u32 apart(const char *a, const char *b, u32 limit)
{
    u32 rest = limit;

    while (*a && *a == *b)
        a++, b++;
    if (*a == *b)
        return 0;
    if (!limit)
        return 1;
    if (*a)
        rest = less(rest, apart(a + 1, b, limit - 1));
    if (*b)
        rest = less(rest, apart(a, b + 1, limit - 1));
    if (*a && *b)
        rest = less(rest, apart(a + 1, b + 1, limit - 1));
    return 1 + rest;
}

static u32 letters(const char *word)
{
    u32 n = 0;

    while (word[n])
        n++;
    return n;
}

void guess_consider(struct guess *guess, const char *name)
{
    u32 limit = less(NEAR, letters(guess->word) / 2), distance = apart(guess->word, name, limit);

    if (distance > limit || (guess->name && distance >= guess->distance))
        return;
    guess->name = name;
    guess->distance = distance;
}
