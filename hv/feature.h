/* What a guest may lack although its processor has it. The rows of the MSR table (msr_table.h) and
 * of the CPUID table (cpuid_table.h) name the same features, so that what is denied is hidden, and
 * a test holds them to it. */
#ifndef CEDE_FEATURE_H
#define CEDE_FEATURE_H

#include "types.h"

enum feature {
    FEATURE_NONE,
    /* Governed by the guest's `pmu` mode: */
    FEATURE_PMU,          /* core counters, global control and status */
    FEATURE_PMU_SELECTOR, /* event selectors */
    /* Denied and hidden unless granted (bit n of a `granted` mask = feature n): */
    FEATURE_UNCORE, /* L3, northbridge, data fabric and memory controller counters: other cores */
    FEATURE_LBR,    /* branch stacks: LBR v2, BRS */
    FEATURE_IBS,    /* instruction-based sampling: physical addresses */
    FEATURE_QOS_MONITOR, /* cache and bandwidth monitoring: other cores */
    FEATURE_POWER,       /* energy counters: other cores */
    FEATURE_INVLPGB,     /* #UD in a guest unless VMCB 090h bit 7 allows it (APM 2, app. B) */
    /* Never granted: */
    FEATURE_LWP,  /* lightweight profiling: the processor writes records to guest-linear memory */
    FEATURE_SVM,  /* no nested virtualization */
    FEATURE_FRED, /* its state would have to be in the VMCB */
    FEATURE_SEV,  /* memory encryption: under second-level paging it is the host's */
    FEATURE_COUNT
};

#define FEATURES_GRANTABLE                                                                  \
    (BIT(FEATURE_UNCORE) | BIT(FEATURE_LBR) | BIT(FEATURE_IBS) | BIT(FEATURE_QOS_MONITOR) | \
     BIT(FEATURE_POWER) | BIT(FEATURE_INVLPGB))

static inline bool feature_granted(u32 granted, enum feature feature)
{
    return granted & FEATURES_GRANTABLE & BIT(feature);
}

#endif
