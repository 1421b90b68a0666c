/* What somebody may have meant who made a typing error. Pure. */
#ifndef CEDE_CONSOLE_GUESS_H
#define CEDE_CONSOLE_GUESS_H

#include "types.h"

struct guess {
    const char *word; /* what was typed */
    const char *name; /* the nearest so far; NULL when nothing is near */
    u32 distance;     /* characters to put in, take out or change */
};

/* Takes `name` if it is nearer than what there is, and near enough: at most two characters off, and
 * half of the word right. */
void guess_consider(struct guess *guess, const char *name);

#endif
