#include "pmu/policy.h"

#define SELECTS(from, to, mask_, match_)                                                        \
    {                                                                                           \
        .first = (from), .last = (to), .mask = (mask_), .match = (match_), .umask2 = ANY_UMASK2 \
    }

static const struct filter_entry every_event = SELECTS(0, 0xfff, 0, 0);

/* The northbridge's are never allowed (filter_format_amd.never); none needs another register. */
const struct filter_entry policy_core_amd[] = {SELECTS(0, 0xfff, 0, 0)};

/* All but those that need MSR_OFFCORE_RSP (B7H and BBH, 2AH and 2BH from Sapphire Rapids on),
 * MSR_PEBS_FRONTEND (C6H) or MSR_PEBS_LD_LAT_THRESHOLD (CDH, on Nehalem 0BH), each with umask 01H
 * (Atoms: B7H also 02H; Nehalem 10H), on any model. tools/policy/policy_test.c holds this list
 * against all events that libpfm4 knows. */
const struct filter_entry policy_core_intel[] = {
    SELECTS(0x00, 0x0a, 0, 0),    SELECTS(0x0b, 0x0b, 0x10, 0), SELECTS(0x0c, 0x29, 0, 0),
    SELECTS(0x2a, 0x2b, 0x01, 0), SELECTS(0x2c, 0xb6, 0, 0),    SELECTS(0xb7, 0xb7, 0x03, 0),
    SELECTS(0xb8, 0xba, 0, 0),    SELECTS(0xbb, 0xbb, 0x01, 0), SELECTS(0xbc, 0xc5, 0, 0),
    SELECTS(0xc6, 0xc6, 0x01, 0), SELECTS(0xc7, 0xcc, 0, 0),    SELECTS(0xcd, 0xcd, 0x01, 0),
    SELECTS(0xce, 0xff, 0, 0),
};

/* Every fixed counter counts its own core. */
static const u32 preset_fixed[PRESETS] = {0x7, 0xffff, 0xffff, 0xffff};

const struct pmu_policy policy_default = {.presets = {1 << PRESET_ARCHITECTURAL}};

static const struct filter_entry *preset_entries(const struct policy_cpu *cpu, u32 preset,
                                                 u32 *count)
{
    switch (preset) {
    case PRESET_ARCHITECTURAL:
        *count = cpu->architectural_count;
        return cpu->architectural;
    case PRESET_CORE:
        *count = cpu->core_count;
        return cpu->core;
    default:
        *count = 1;
        return &every_event;
    }
}

static void set_preset(struct filter *filter, const struct policy_cpu *cpu, u32 preset,
                       bool allowed)
{
    u32 count;
    const struct filter_entry *entries = preset_entries(cpu, preset, &count);

    for (u32 i = 0; i < count; i++)
        filter_set(filter, cpu->format, &entries[i], allowed);
}

void policy_build(struct filter *filter, const struct pmu_policy *policy,
                  const struct policy_cpu *cpu)
{
    filter_start(filter, cpu->format, policy_modifiers(policy));
    for (u32 verb = POLICY_ALLOW; verb < POLICY_VERBS; verb++) {
        for (u32 preset = 0; preset < PRESETS; preset++)
            if (policy->presets[verb] & 1U << preset)
                set_preset(filter, cpu, preset, verb == POLICY_ALLOW);
        for (u32 i = 0; i < policy->event_count; i++)
            if (policy->events[i].exclude == (verb == POLICY_DENY))
                filter_set(filter, cpu->format, &policy->events[i], verb == POLICY_ALLOW);
    }
}

static u32 fixed_of(const struct pmu_policy *policy, enum policy_verb verb)
{
    u32 fixed = policy->fixed[verb];

    for (u32 preset = 0; preset < PRESETS; preset++)
        if (policy->presets[verb] & 1U << preset)
            fixed |= preset_fixed[preset];
    return fixed;
}

u32 policy_fixed(const struct pmu_policy *policy)
{
    return fixed_of(policy, POLICY_ALLOW) & ~fixed_of(policy, POLICY_DENY);
}

static bool everything(const struct pmu_policy *policy, enum policy_verb verb)
{
    return policy->presets[verb] & 1U << PRESET_EVERYTHING;
}

static u32 grants_of(const struct pmu_policy *policy, enum policy_verb verb)
{
    return everything(policy, verb) ? (1U << GRANTS) - 1 : policy->grants[verb];
}

u32 policy_grants(const struct pmu_policy *policy)
{
    return grants_of(policy, POLICY_ALLOW) & ~grants_of(policy, POLICY_DENY);
}

static u64 modifiers_of(const struct pmu_policy *policy, enum policy_verb verb)
{
    return everything(policy, verb) ? ~0ULL : policy->modifiers[verb];
}

/* A selector's form of record goes with the records. */
u64 policy_modifiers(const struct pmu_policy *policy)
{
    bool records = policy_grants(policy) & 1U << GRANT_PEBS;
    u64 modifiers = modifiers_of(policy, POLICY_ALLOW) & ~modifiers_of(policy, POLICY_DENY);

    return records ? modifiers | EVTSEL_ADAPTIVE : modifiers & ~EVTSEL_ADAPTIVE;
}

bool policy_allows_aux(const struct pmu_policy *policy, enum policy_aux_register kind, u64 value)
{
    bool allowed = !value || everything(policy, POLICY_ALLOW);

    if (value && everything(policy, POLICY_DENY))
        return false;
    for (u32 i = 0; i < policy->aux_count; i++) {
        const struct policy_aux *aux = &policy->aux[i];

        if (aux->kind != kind || (value & aux->mask) != aux->match)
            continue;
        if (aux->exclude && value)
            return false;
        allowed = true;
    }
    return allowed;
}
