#include "pmu_grants.h"
#include "base/preflight_parts.h"
#include "pmu/grants_parts.h"

static const char *const names[GRANTS] = {"lbr", "pebs", "ibs", "uncore", "energy"};

static const char *const texts[] = {
    [GRANT_GIVEN] = "can be given",
    [GRANT_ABSENT] = "this processor has none",
    [GRANT_SHARED] = "it counts what the whole socket does, and other guests are on it: only "
                     "without [guest] sections",
    [GRANT_UNSWITCHED] = "this processor does not switch branch records between guest and "
                         "hypervisor (no LBR virtualization)",
    [GRANT_NO_CONTROL] = "this processor's VT-x has no controls that clear it at exits and load it "
                         "at entries",
    [GRANT_NOT_YET] = "the processor writes its samples to memory, which this version of Cede does "
                      "not check",
};

/* Counters of the socket, and of its energy, are of all its cores. */
static enum grant_answer of_socket(u32 guests)
{
    return guests == 1 ? GRANT_GIVEN : GRANT_SHARED;
}

enum grant_answer grant_ask(const struct cpu_ops *ops, enum policy_grant grant, u32 guests)
{
    if (grant == GRANT_UNCORE || grant == GRANT_ENERGY)
        return of_socket(guests);
    return has_svm(ops) ? grant_ask_amd(ops, grant) : grant_ask_intel(ops, grant);
}

u32 grants_possible(const struct cpu_ops *ops, u32 guests)
{
    u32 possible = 0;

    for (u32 i = 0; i < GRANTS; i++)
        if (grant_ask(ops, (enum policy_grant)i, guests) == GRANT_GIVEN)
            possible |= 1U << i;
    return possible;
}

const char *grant_name(enum policy_grant grant)
{
    return names[grant];
}

const char *grant_text(enum grant_answer answer)
{
    return texts[answer];
}

enum policy_grant grants_refused(const struct cpu_ops *ops, const struct pmu_policy *policy,
                                 u32 guests, enum grant_answer *why)
{
    u32 asked = policy->grants[POLICY_ALLOW] & ~policy->grants[POLICY_DENY];
    u32 i;

    for (i = 0; i < GRANTS; i++) {
        if (!(asked & 1U << i))
            continue;
        *why = grant_ask(ops, (enum policy_grant)i, guests);
        if (*why != GRANT_GIVEN && *why != GRANT_ABSENT)
            break;
    }
    return (enum policy_grant)i;
}
