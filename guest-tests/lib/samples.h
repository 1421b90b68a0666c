/* A measurement, taken several times: what differs between the times is noise. One line:
 *
 *     measure: GROUP.NAME.WHAT UNIT MIN MEDIAN MAX
 *
 * The numbers have two decimal places and, where need be, a minus. */
#ifndef CEDE_GUEST_SAMPLES_H
#define CEDE_GUEST_SAMPLES_H

#include "types.h"

enum { SAMPLES = 5 };

/* Sorts them. */
int64_t samples_median(int64_t values[SAMPLES]);

/* What a measurement is called; WHAT may be NULL. */
struct measured {
    const char *group, *name, *what, *unit;
};

/* The line. Each value is of `per` of what was measured together. */
void samples_say(const struct measured *m, int64_t values[SAMPLES], u64 per);

#endif
