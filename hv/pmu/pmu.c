#include "pmu/pmu.h"
#include "asm.h"

struct pmu pmu;

static const struct pmu_access native = {cpuid, rdmsr_safe, wrmsr_safe};

void pmu_prepare(enum pmu_mode mode, u32 family)
{
    u32 count;
    const struct filter_entry *entries = pmu_amd_architectural(family, &count);

    pmu.mode = mode;
    pmu_amd_discover(&pmu.caps, &native);
    if (mode ==
        PMU_FILTERED) /* else it denies everything: the fast path asks nothing but the filter */
        filter_build(&pmu.filter, &filter_format_amd, 0, entries, count);
}

void pmu_start(struct cpu *cpu)
{
    if (cpu->pmu_started)
        return;
    pmu_amd_start(&cpu->pmu, &pmu.caps, pmu.mode, &pmu.filter, &native);
    cpu->pmu_started = true;
}
