/* How the rows of the MSR tables are written; for hv/msr/rows_*.c only. */
#ifndef CEDE_MSR_ROWS_H
#define CEDE_MSR_ROWS_H

#include "msr/msr_table.h"

#if __STDC_HOSTED__
#define BECAUSE(reason) , reason
#else
#define BECAUSE(reason)
#endif

#define FULL_ROW(first, last, step, rule, feature, parts, reason)                \
    {                                                                            \
        first, last, step, RULE_##rule, FEATURE_##feature, parts BECAUSE(reason) \
    }
#define ROW(first, last, rule, feature, reason) FULL_ROW(first, last, 1, rule, feature, 0, reason)
#define ROW_STEP(first, last, step, rule, feature, reason) \
    FULL_ROW(first, last, step, rule, feature, 0, reason)
#define ROW_PARTS(first, last, rule, feature, parts, reason) \
    FULL_ROW(first, last, 1, rule, feature, parts, reason)

/* Everywhere but there. */
#define OTHERS(parts) ((u8) ~(parts))

#endif
