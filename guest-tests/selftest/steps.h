/* What the self-test does, in order. Pure. */
#ifndef CEDE_SELFTEST_STEPS_H
#define CEDE_SELFTEST_STEPS_H

#include "selftest/state.h"

enum step_kind {
    STEP_CHECK,  /* `cede.efi --check`, which comes back */
    STEP_MEMORY, /* a warm reset: does memory outlive it? */
    STEP_BARE,   /* a guest test, or Linux, which ends in a warm reset */
    STEP_CEDE,   /* the same, as what Cede starts next */
    STEP_AGAIN,  /* bare once more, in a boot of its own: what differs from the first is noise */
};

/* The first two steps, whose verdicts say how those of the others are to be taken. */
enum { STEP_NUMBER_CHECK, STEP_NUMBER_MEMORY, STEP_NUMBER_TESTS };

/* Of a program's options: a kernel's command line is the longest. */
#define STEP_OPTIONS 256

struct step {
    enum step_kind kind;
    char program[32]; /* in \CEDE, without the ending */
    char options[STEP_OPTIONS];
    u32 seconds; /* what it takes at most on a machine of usual size and speed */
};

/* \CEDE\steps.txt: lines `bare|cede[=SECONDS] PROGRAM [OPTIONS]` are steps after those of the
 * table; with a line `only` they come in place of its guest tests. What a line does not say of a
 * program of the table is as there. What is no such line is left out. */
void steps_add(const char *text, size_t size);

u32 steps_count(void);

/* Step `number` below steps_count(). */
struct step step_get(u32 number);

/* "cede basic" and the like, which names the step in reports. */
void step_name(const struct step *step, char out[48]);

/* Seconds after which it hangs, on slow machines too. */
u32 step_patience(const struct step *step);

/* Why the step is not to be started after what has come out so far: a verdict, or 0. */
enum verdict step_forbidden(const struct step *step, const struct state *state);

/* What a step that was started has come to, from its text: guest tests end it by their exit code.
 */
enum verdict step_outcome(const struct step *step, const struct state *state, const char *text,
                          size_t size);

#endif
