/* What the processor says of its performance counters, for banner and report. */
#ifndef CEDE_PMU_TEXT_H
#define CEDE_PMU_TEXT_H

/* "6 counters, PerfMonV2" and the like; a static text. */
const char *pmu_text(void);

const char *pmu_mode_text(unsigned mode);

#endif
