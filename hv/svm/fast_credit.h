/* counters/credit_fast.h on AMD, for fast.c and page.c. */
#ifndef CEDE_SVM_FAST_CREDIT_H
#define CEDE_SVM_FAST_CREDIT_H

#include "counters/credit.h"
#include "counters/credit_fast.h"
#include "counters/pmu.h"
#include "svm/svm.h"

/* Whether an emulated instruction may have to be credited to a counter (hv/counters/credit.h): not
 * while global control stops them all, as it does when a kernel changes selectors. */
static inline bool must_credit(struct cpu *cpu)
{
    u32 high;

    return cpu->pmu.core.attention &&
           (!pmu.amd.perfmon_v2 || rdmsr_halves(MSR_PERF_GLOBAL_CTL, &high));
}

static inline u64 enabled_counters(void)
{
    u32 high;

    if (!pmu.amd.perfmon_v2)
        return PMU_AMD_ALL;
    if (unlikely(credit_frozen(MSR_PERF_GLOBAL_STATUS)))
        return 0;
    return rdmsr_halves(MSR_PERF_GLOBAL_CTL, &high);
}

static const struct credit_layout layout = {PMU_AMD_COUNTERS, MSR_PERF_CTR, 2};

static inline bool credit(struct cpu *cpu, u32 ring)
{
    return credit_selectors(&cpu->pmu.core, cpu->pmu.amd.shadow, enabled_counters(), ring, layout);
}

static __attribute__((noinline)) bool take_back(struct cpu *cpu)
{
    credit_take_back(&cpu->pmu.core, layout);
    return false;
}

#endif
