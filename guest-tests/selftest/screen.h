/* What a person sees. */
#ifndef CEDE_SELFTEST_SCREEN_H
#define CEDE_SELFTEST_SCREEN_H

#include "selftest/steps.h"

void screen_begin(const struct state *state);
void screen_step(const struct step *step, u32 number);
void screen_resume(const struct step *step, u32 number); /* the last boot's */

/* When a person may take the step for hung. `watchdog`: whether the chipset ends it. */
void screen_patience(const struct step *step, bool watchdog);

void screen_verdict(enum verdict verdict);
void screen_end(const struct state *state);

/* The stick cannot be written to, for this reason: there is no report. */
void screen_without_stick(const char *why);

/* What a step said, where it goes nowhere else. */
void screen_lines(const char *text, size_t size);

/* Until a key is pressed, at most. */
void screen_wait(u32 seconds);

#endif
