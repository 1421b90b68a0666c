/* Where the self-test stands, as \CEDE\state.txt has it from one boot to the next. Pure. */
#ifndef CEDE_SELFTEST_STATE_H
#define CEDE_SELFTEST_STATE_H

#include "types.h"

#define STATE_STEPS 64

/* The file is as long as this from the start, so that writing it needs no room on the stick. */
#define STATE_SIZE 256

/* One character per step that is over. */
enum verdict {
    VERDICT_OK = 'o',
    VERDICT_FAILED = 'f',
    VERDICT_REFUSED = 'r', /* came back without having run */
    VERDICT_LOST = 'l',    /* was started, and left no end */
    VERDICT_UNKNOWN = 'u', /* likewise, on a machine that keeps no memory */
    VERDICT_SKIPPED = 's',
};

struct state {
    char report[24];                /* its files' name, without the ending */
    char verdicts[STATE_STEPS + 1]; /* of the steps that are over, in order */
    bool started;                   /* the next one was started: this boot must not do so again */
    bool finished;
    bool cut; /* the stick did not take a part of the report: it stays as it was */
};

/* False if it is not what state_format() makes, whole: the self-test starts anew. */
bool state_parse(const char *text, size_t size, struct state *state);

void state_format(const struct state *state, char text[STATE_SIZE]);

/* How many steps are over: the number of the next one. */
u32 state_step(const struct state *state);

/* The step that is running is over. */
void state_end_step(struct state *state, enum verdict verdict);

/* Steps that came out so. */
u32 state_count(const struct state *state, enum verdict verdict);

/* For people, and for tools. */
const char *verdict_text(enum verdict verdict);
const char *verdict_word(enum verdict verdict);

#endif
