/* For tests: the policy's code, and the kinds of processors that it is asked about. */
#ifndef CEDE_PMU_POLICY_FIXTURE_H
#define CEDE_PMU_POLICY_FIXTURE_H

#include "pmu/amd.c"
#include "pmu/filter.c"
#include "pmu/policy.c"
#include "pmu/policy_text.c"

#include "fake/policy_reference.h"

#define FREE (EVTSEL_EVENT | EVTSEL_UMASK | EVTSEL_USR | EVTSEL_OS | EVTSEL_INT | EVTSEL_EN)
#define CODE(select, umask)                                                 \
    {                                                                       \
        .first = (select), .last = (select), .mask = 0xff, .match = (umask) \
    }

static const struct filter_entry test_architectural[] = {
    CODE(0x3c, 0x00), CODE(0xc0, 0x00), CODE(0x3c, 0x01), CODE(0x2e, 0x4f),
    CODE(0x2e, 0x41), CODE(0xc4, 0x00), CODE(0xc5, 0x00),
};

/* Intel's selectors with AnyThread, and those of perfmon 6 with UMASK2 and EQ. */
static const struct filter_format test_formats[] = {
    [REFERENCE_INTEL] = {.free = FREE,
                         .modifiers =
                             EVTSEL_EDGE | EVTSEL_INV | EVTSEL_CMASK | EVTSEL_ANY | EVTSEL_IN_TX},
    [REFERENCE_INTEL_V6] = {.umask2 = EVTSEL_UMASK2,
                            .free = FREE | EVTSEL_UMASK2,
                            .modifiers =
                                EVTSEL_EDGE | EVTSEL_INV | EVTSEL_CMASK | EVTSEL_IN_TX | EVTSEL_EQ},
};

static struct policy_cpu test_cpu(enum reference_cpu cpu)
{
    struct policy_cpu zen = {.format = &filter_format_amd,
                             .core = policy_core_amd,
                             .core_count = COUNT(policy_core_amd)};

    zen.architectural = pmu_amd_architectural(0x19, &zen.architectural_count);
    if (cpu == REFERENCE_ZEN)
        return zen;
    return (struct policy_cpu){.format = &test_formats[cpu],
                               .architectural = test_architectural,
                               .architectural_count = COUNT(test_architectural),
                               .core = policy_core_intel,
                               .core_count = COUNT(policy_core_intel)};
}

static const char *const cpu_names[] = {"AMD Zen", "Intel", "Intel with UMASK2"};

#endif
