/* What the machine is, for the head of the report. */
#ifndef CEDE_SELFTEST_EVIDENCE_H
#define CEDE_SELFTEST_EVIDENCE_H

/* By report_fact(), a line each. */
void evidence(void);

#endif
