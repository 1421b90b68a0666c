/* What a guest may lack although its processor has it. The rows of the MSR tables (msr_table.h) and
 * of the CPUID tables (cpuid_table.h) name the same features, so that what is denied is hidden, and
 * a test holds them to it. */
#ifndef CEDE_FEATURE_H
#define CEDE_FEATURE_H

#include "types.h"

enum feature {
    FEATURE_NONE,
    /* Governed by the guest's `pmu` mode: */
    FEATURE_PMU,          /* core counters, global control and status */
    FEATURE_PMU_SELECTOR, /* event selectors and what some events need besides */
    FEATURE_PMU_FIXED, /* Intel's FIXED_CTR_CTRL: a selector only where the policy restricts it */
    /* Denied and hidden unless granted (bit n of a `granted` mask = feature n): */
    FEATURE_UNCORE,  /* L3, northbridge, data fabric and memory controller counters: other cores */
    FEATURE_OFFCORE, /* Intel: what a response from outside the core was: other cores' caches */
    FEATURE_LBR,     /* AMD: the last branch, in DebugCtl's registers; Intel's branch stacks */
    FEATURE_LBR_STACK, /* AMD: LBR v2; where BRS has its registers, which nobody switches: never */
    FEATURE_IBS,       /* instruction-based sampling: the hypervisor's too */
    FEATURE_QOS_MONITOR, /* cache and bandwidth monitoring: other cores */
    FEATURE_POWER,       /* energy counters: other cores */
    FEATURE_PEBS,        /* precise samples: the processor writes records to guest-linear memory */
    FEATURE_INVLPGB,     /* #UD in a guest unless VMCB 090h bit 7 allows it (APM 2, app. B) */
    /* Likewise, and granted as the guest's policy allows what they count (FEATURES_OF_POLICY): */
    FEATURE_CYCLES, /* APERF and its like: cycles, counted past the selectors */
    FEATURE_IRPERF, /* AMD's IRPerf: instructions, of the hypervisor too */
    /* Never granted: */
    FEATURE_LWP,    /* lightweight profiling: the processor writes records to guest-linear memory */
    FEATURE_SVM,    /* no nested virtualization */
    FEATURE_VMX,    /* likewise */
    FEATURE_FRED,   /* its state would have to be in the VMCB or VMCS */
    FEATURE_SEV,    /* memory encryption: under second-level paging it is the host's */
    FEATURE_STORES, /* BTS and architectural PEBS: other writers of records, which nothing here has
                     */
    FEATURE_PT,     /* processor trace: its output goes to physical addresses */
    FEATURE_SMX,    /* measured launch: GETSEC would leave second-level paging */
    FEATURE_SGX,    /* exits from enclaves are special (SDM 28.2.1), and no bed of ours has any */
    FEATURE_MSR_FORMS, /* RDMSR and WRMSR in other forms, with exits of their own: USER_MSR and such
                        */
    /* AMD's CpuidUserDis: CPUID exits before it would fault at CPL 3. */
    FEATURE_USER_DIS,
    FEATURE_COUNT
};

#define FEATURES_OF_POLICY (BIT(FEATURE_CYCLES) | BIT(FEATURE_IRPERF))
#define FEATURES_GRANTABLE                                                                       \
    (FEATURES_OF_POLICY | BIT(FEATURE_UNCORE) | BIT(FEATURE_OFFCORE) | BIT(FEATURE_LBR) |        \
     BIT(FEATURE_LBR_STACK) | BIT(FEATURE_IBS) | BIT(FEATURE_QOS_MONITOR) | BIT(FEATURE_POWER) | \
     BIT(FEATURE_PEBS) | BIT(FEATURE_INVLPGB))

static inline bool feature_granted(u32 granted, enum feature feature)
{
    return granted & FEATURES_GRANTABLE & BIT(feature);
}

#endif
