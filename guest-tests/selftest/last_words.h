/* What Cede said of its own end, as lines of the step that it ended. Pure. */
#ifndef CEDE_SELFTEST_LAST_WORDS_H
#define CEDE_SELFTEST_LAST_WORDS_H

#include "kept.h"

/* Cede keeps its lines without what it begins each with on its console (hv/host/keep.c); here they
 * read as they do there. */
void last_words_add(struct kept *step, const struct kept *cede);

#endif
