/* The report: \CEDE\report-<time>.txt for people, and the same as .json for tools/report. It grows
 * step by step, and is a whole document in between. */
#ifndef CEDE_SELFTEST_REPORT_H
#define CEDE_SELFTEST_REPORT_H

#include "selftest/steps.h"
#include "uefi/uefi.h"

/* Names a new report in the state, and makes its files: what the machine is. */
EFI_STATUS report_begin(struct state *state);

/* A step is over: its verdict, and what it said. */
EFI_STATUS report_step(const struct state *state, const struct step *step, enum verdict verdict,
                       const char *text, size_t size);

/* All are. */
EFI_STATUS report_end(const struct state *state);

/* "18 steps: 16 ok, 1 FAILED, 1 did not come back (hung, reset or lost power)" */
const char *report_summary(const struct state *state);

/* What the evidence consists of: one line of the report's head each. */
void report_fact(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
