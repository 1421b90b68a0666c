#include "pmu/pmu.h"
#include "asm.h"
#include "hv.h"
#include "pmu/policy.h"

struct pmu pmu;

static const struct pmu_access native = {cpuid, rdmsr_safe, wrmsr_safe};

static void build_filter(const struct policy_cpu *cpu)
{
    if (pmu.mode == PMU_FILTERED) /* else it denies everything: fast paths ask nothing but it */
        policy_build(&pmu.filter, pmu.policy, cpu);
}

static void prepare_amd(const struct msr_context *context)
{
    struct policy_cpu cpu = {.format = &filter_format_amd,
                             .core = policy_core_amd,
                             .core_count = COUNT(policy_core_amd)};

    pmu_amd_discover(&pmu.amd, &native);
    cpu.architectural = pmu_amd_architectural(context->family, &cpu.architectural_count);
    build_filter(&cpu);
}

static void prepare_intel(struct msr_context *context)
{
    static const struct policy_cpu cpu = {.format = &filter_format_intel,
                                          .architectural = pmu_intel_architectural,
                                          .core = policy_core_intel,
                                          .architectural_count = COUNT(pmu_intel_architectural),
                                          .core_count = COUNT(policy_core_intel)};

    pmu_intel_discover(&pmu.intel, &native);
    pmu.limits = (struct pmu_intel_limits){
        .fixed = (u16)policy_fixed(pmu.policy),
        .any_thread = policy_modifiers(pmu.policy) & EVTSEL_ANY,
        .policy = pmu.policy,
    };
    context->fixed_restricted = pmu_intel_fixed_restricted(&pmu.intel, &pmu.limits);
    build_filter(&cpu);
}

static struct pmu_policy operators;

static void adopt_policy(u64 rules)
{
    pmu.policy = &policy_default;
    if (!rules)
        return;
    operators = *(const struct pmu_policy *)(uintptr_t)rules;
    pmu.policy = &operators;
}

/* The list of events is in the loader's memory; all that is needed of it is in the filter now. */
static void forget_events(void)
{
    operators.events = NULL;
    operators.event_count = 0;
}

void pmu_prepare(struct msr_context *context)
{
    pmu.mode = context->pmu;
    adopt_policy(hv.info->policy.rules);
    if (context->vendor == CPU_AMD)
        prepare_amd(context);
    else
        prepare_intel(context);
    forget_events();
}

static void start(struct cpu *cpu)
{
    if (hv.msr.vendor == CPU_AMD)
        pmu_amd_start(&cpu->pmu.amd, &pmu.amd, pmu.mode, &pmu.filter, &native);
    else
        pmu_intel_start(&cpu->pmu.intel, &pmu.intel, pmu.mode, &pmu.filter, &pmu.limits, &native);
}

void pmu_start(struct cpu *cpu)
{
    if (!cpu->pmu_started)
        start(cpu);
    cpu->pmu_started = true;
}
