/* The parts of measure.efi. They judge nothing: what they say are `measure:` lines (samples.h). */
#ifndef CEDE_GUEST_MEASURE_H
#define CEDE_GUEST_MEASURE_H

#include "perfmon.h"

/* Memory of the tests' own, to be had while firmware is up. */
void memory_prepare(void);
void memory_measures(void);

/* Without counters (NULL) in ticks of the TSC alone. */
void operation_measures(const struct perfmon *p);

void skid_measures(const struct perfmon *p);

#endif
