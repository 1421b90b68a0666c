/* What a feature granted alone changes, and a mode of the PMU: of lists of msr_lists.h. */
#ifndef CEDE_MSR_GRANTS_H
#define CEDE_MSR_GRANTS_H

#include "fake/msr_lists.h"

static void expect_verdict(const struct msr_context *cpu, u32 msr, u8 read, u8 write, bool known)
{
    struct msr_verdict got = msr_judge(cpu, msr);

    if (got.read != read || got.write != write || got.known != known)
        fail_msg("%x, family %x model %x, mode %u, granted %x: %u %u %u", msr, cpu->family,
                 cpu->model, cpu->pmu, cpu->granted, got.read, got.write, got.known);
}

/* Without a grant, while the policy restricts all that it can. */
static void expect_listed(const struct msr_context *cpu, const struct msr_list *list, u32 msr)
{
    if (list)
        expect_verdict(cpu, msr, list->read, list->write, true);
    else
        expect_verdict(cpu, msr, MSR_PASS, MSR_PASS, false);
}

static bool is_core_pmu(u8 feature)
{
    return feature == FEATURE_PMU || feature == FEATURE_PMU_SELECTOR ||
           feature == FEATURE_PMU_FIXED;
}

/* In each mode, and with each feature granted alone. */
static void check_grants_of(struct msr_context cpu, const struct msr_list *list, u32 msr)
{
    bool never = list->feature >= FEATURE_LWP;

    for (u32 granted = 1; granted < FEATURE_COUNT; granted++) {
        bool opens = granted == list->feature && !never && !is_core_pmu(list->feature);

        cpu.granted = (u32)BIT(granted);
        if (opens)
            expect_verdict(&cpu, msr, MSR_PASS, granted == FEATURE_PEBS ? MSR_TRAP : MSR_PASS,
                           true);
        else
            expect_listed(&cpu, list, msr);
    }
    cpu.granted = 0;
    cpu.pmu = PMU_FULL;
    if (is_core_pmu(list->feature))
        expect_verdict(&cpu, msr, MSR_PASS, MSR_PASS, true);
    else
        expect_listed(&cpu, list, msr);
    cpu.pmu = PMU_OFF;
    if (is_core_pmu(list->feature) || list->feature == FEATURE_OFFCORE)
        expect_verdict(&cpu, msr, MSR_IGNORE, MSR_IGNORE, true);
    else
        expect_listed(&cpu, list, msr);
}

static void check_grants(struct msr_context cpu, u8 part, const struct msr_list *lists, u32 count)
{
    for (u32 i = 0; i < count; i++)
        for (u32 j = 0; j < lists[i].count; j++)
            if (!lists[i].parts || (lists[i].parts & part)) {
                check_grants_of(cpu, &lists[i], lists[i].ranges[j].first);
                check_grants_of(cpu, &lists[i], lists[i].ranges[j].last);
            }
}

#endif
