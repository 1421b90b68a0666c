#include "pmu/pmu.h"
#include "asm.h"
#include "hv.h"
#include "kick.h"
#include "pmu/policy.h"
#include "tsc.h"
#include "vcpu.h"

struct pmu pmu;

static const struct pmu_access native = {cpuid, rdmsr_safe, wrmsr_safe};

static struct policy_cpu processor;
static struct pmu_policy adopted; /* without its events: all that is needed of them is in ... */
static struct filter list;        /* ... what PMU_FILTERED allows, kept in the other modes too */
static struct lock changing;

static void describe_amd(const struct msr_context *context)
{
    pmu_amd_discover(&pmu.amd, &native);
    processor = (struct policy_cpu){.format = &filter_format_amd,
                                    .core = policy_core_amd,
                                    .core_count = COUNT(policy_core_amd)};
    processor.architectural =
        pmu_amd_architectural(context->family, &processor.architectural_count);
}

static void describe_intel(void)
{
    pmu_intel_discover(&pmu.intel, &native);
    processor = (struct policy_cpu){.format = &filter_format_intel,
                                    .architectural = pmu_intel_architectural,
                                    .core = policy_core_intel,
                                    .architectural_count = COUNT(pmu_intel_architectural),
                                    .core_count = COUNT(policy_core_intel)};
}

/* The events may be in memory that is not there for long. */
static void adopt(const struct pmu_policy *policy)
{
    adopted = *policy;
    adopted.events = NULL;
    adopted.event_count = 0;
    pmu.policy = &adopted;
}

/* By words: too large for the compiler to do it without a C library. */
static void copy_filter(struct filter *to, const struct filter *from)
{
    u64 *words = (u64 *)to;

    for (u32 i = 0; i < sizeof(*to) / sizeof(*words); i++)
        words[i] = ((const u64 *)from)[i];
}

static void deny_everything(struct filter *filter)
{
    for (u32 i = 0; i < sizeof(*filter) / sizeof(u64); i++)
        ((u64 *)filter)[i] = 0;
}

/* Puts mode and policy in force, for the calling core and for those that ask from now on. */
static void activate(enum pmu_mode mode, struct msr_context *context)
{
    pmu.mode = mode;
    if (mode == PMU_FILTERED)
        copy_filter(&pmu.filter, &list);
    else
        deny_everything(&pmu.filter);
    pmu.generation++;
    context->pmu = mode;
    if (context->vendor != CPU_INTEL)
        return;
    pmu.limits = (struct pmu_intel_limits){
        .fixed = (u16)policy_fixed(pmu.policy),
        .any_thread = policy_modifiers(pmu.policy) & EVTSEL_ANY,
        .policy = pmu.policy,
    };
    context->fixed_restricted = pmu_intel_fixed_restricted(&pmu.intel, &pmu.limits);
}

void pmu_prepare(struct msr_context *context)
{
    u64 rules = boot_guest_at(0)->policy.rules;
    const struct pmu_policy *policy =
        rules ? (const struct pmu_policy *)(uintptr_t)rules : &policy_default;

    if (context->vendor == CPU_AMD)
        describe_amd(context);
    else
        describe_intel();
    policy_build(&list, policy, &processor);
    adopt(policy);
    pmu.vmrun_branch = context->vendor == CPU_AMD && boot_guest_at(0)->policy.vmrun_branch;
    activate(context->pmu, context);
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
    if (cpu->pmu_started)
        return;
    start(cpu);
    cpu->pmu_started = true;
    cpu->pmu.core.mode = pmu.mode;
    cpu->pmu.core.generation = pmu.generation;
}

void pmu_note_denial(struct cpu *cpu, u32 msr, u64 value)
{
    struct code_state at;

    vendor->code_state(cpu, &at);
    denial_note(
        &cpu->pmu.core.denials,
        &(struct denial){
            .value = value, .last = rdtsc(), .rip = at.rip, .cr3 = at.paging.cr3, .msr = msr});
}

/* Events that count until now and are denied from now on. */
static void note_stopped(struct cpu *cpu, enum pmu_mode from)
{
    bool amd = hv.msr.vendor == CPU_AMD;
    u32 counters = amd ? pmu.amd.counters : pmu.intel.counters;

    for (u32 i = 0; from != PMU_OFF && pmu.mode == PMU_FILTERED && i < counters; i++) {
        u64 value = amd ? cpu->pmu.amd.shadow[i] : cpu->pmu.intel.shadow[i];

        if ((value & EVTSEL_EN) && !filter_allows(&pmu.filter, value))
            pmu_note_denial(cpu, 0, value);
    }
}

static void follow(struct cpu *cpu)
{
    enum pmu_mode from = cpu->pmu.core.mode;

    if (hv.msr.vendor == CPU_AMD)
        pmu_amd_switch(&cpu->pmu.amd, &pmu.amd, from, pmu.mode, &pmu.filter, &native);
    else
        pmu_intel_switch(&cpu->pmu.intel, &pmu.intel, from, pmu.mode, &pmu.filter, &pmu.limits,
                         &native);
    note_stopped(cpu, from);
}

void pmu_update(struct cpu *cpu)
{
    struct pmu_core *core = &cpu->pmu.core;

    if (!cpu->pmu_started || core->generation == pmu.generation)
        return;
    follow(cpu);
    core->mode = pmu.mode;
    core->generation = pmu.generation;
    core->attention = true; /* hv/pmu/credit.c looks again */
    vendor->permissions_changed(cpu);
}

/* What takes long is done while everybody still runs. */
u32 pmu_change(struct cpu *self, enum pmu_mode mode, const struct pmu_policy *policy)
{
    u32 stopped;

    if (!lock_try(&changing))
        return 0;
    if (policy)
        policy_build(&list, policy, &processor);
    kick_stop(self);
    if (policy)
        adopt(policy);
    activate(mode, &hv.msr);
    vendor->write_permissions();
    pmu_update(self);
    stopped = kick_resume(self);
    unlock(&changing);
    return stopped;
}
