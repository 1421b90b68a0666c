#include "pmu/pmu.h"
#include "asm.h"
#include "guest.h"
#include "kick.h"
#include "pmu/policy.h"
#include "tsc.h"
#include "vcpu.h"

struct pmu pmu;

static const struct pmu_access native = {cpuid, rdmsr_safe, wrmsr_safe};

static struct policy_cpu processor;
static struct filter nothing; /* all zeros: denies everything */
static struct filter next;    /* being built; whose turn it is ... */
static struct lock changing;  /* ... says this */

static void describe_amd(u16 family)
{
    pmu_amd_discover(&pmu.amd, &native);
    processor = (struct policy_cpu){.format = &filter_format_amd,
                                    .core = policy_core_amd,
                                    .core_count = COUNT(policy_core_amd)};
    processor.architectural = pmu_amd_architectural(family, &processor.architectural_count);
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
static void adopt(struct guest_pmu *own, const struct pmu_policy *policy)
{
    own->policy = *policy;
    own->policy.events = NULL;
    own->policy.event_count = 0;
}

/* By words: too large for the compiler to do it without a C library. */
static void copy_filter(struct filter *to, const struct filter *from)
{
    u64 *words = (u64 *)to;

    for (u32 i = 0; i < sizeof(*to) / sizeof(*words); i++)
        words[i] = ((const u64 *)from)[i];
}

/* Puts mode and policy in force, for the cores of the guest that ask from now on. */
static void activate(struct guest *guest, enum pmu_mode mode)
{
    struct guest_pmu *own = &guest->pmu;

    own->mode = (u8)mode;
    own->filter = mode == PMU_FILTERED ? own->list : &nothing;
    own->generation++;
    guest->msr.pmu = (u8)mode;
    if (!hv.intel)
        return;
    own->limits = (struct pmu_intel_limits){
        .fixed = (u16)policy_fixed(&own->policy),
        .any_thread = policy_modifiers(&own->policy) & EVTSEL_ANY,
        .policy = &own->policy,
    };
    guest->msr.fixed_restricted = pmu_intel_fixed_restricted(&pmu.intel, &own->limits);
}

void pmu_prepare(const struct msr_context *context)
{
    if (hv.intel)
        describe_intel();
    else
        describe_amd(context->family);
    pmu.vmrun_branch = !hv.intel && tenant()->boot->policy.vmrun_branch;
}

bool pmu_prepare_guest(struct guest *guest)
{
    static struct pmu_policy usual;
    u64 rules = guest->boot->policy.rules;
    const struct pmu_policy *policy = (const struct pmu_policy *)(uintptr_t)rules;

    if (!rules)
        policy = &usual;
    usual.presets[POLICY_ALLOW] = 1 << PRESET_ARCHITECTURAL; /* policy_default, and all 0 else */

    guest->pmu.list = pages_alloc(&hv.pool, ALIGN_UP(sizeof(struct filter), PAGE_SIZE) / PAGE_SIZE);
    if (!guest->pmu.list)
        return false;
    policy_build(guest->pmu.list, policy, &processor);
    adopt(&guest->pmu, policy);
    activate(guest, guest->boot->policy.pmu);
    return true;
}

/* What its core asks from now on. */
static void note_policy(struct cpu *cpu)
{
    const struct guest_pmu *own = &cpu->guest->pmu;

    cpu->pmu.core.mode = own->mode;
    cpu->pmu.core.filter = own->filter;
    cpu->pmu.core.generation = own->generation;
}

void pmu_start(struct cpu *cpu)
{
    const struct guest_pmu *own = &cpu->guest->pmu;

    if (cpu->pmu_started)
        return;
    if (hv.intel)
        pmu_intel_start(&cpu->pmu.intel, &pmu.intel, own->mode, own->filter, &own->limits, &native);
    else
        pmu_amd_start(&cpu->pmu.amd, &pmu.amd, own->mode, own->filter, &native);
    note_policy(cpu);
    cpu->pmu_started = true;
}

/* Global control is 0 while the host runs. */
static void zero_intel(void)
{
    wrmsr_safe(IA32_FIXED_CTR_CTRL, 0);
    for (u32 i = 0; i < pmu.intel.counters; i++) {
        wrmsr_safe(IA32_PERFEVTSEL0 + i, 0);
        wrmsr_safe(IA32_PMC0 + i, 0);
    }
    for (u32 i = 0; i < POLICY_FIXED; i++)
        if (pmu.intel.fixed & BIT(i))
            wrmsr_safe(IA32_FIXED_CTR0 + i, 0);
}

static void zero_amd(void)
{
    for (u32 i = 0; i < pmu.amd.counters; i++) {
        wrmsr_safe(pmu_amd_selector_msr(&pmu.amd, i), 0);
        wrmsr_safe(pmu_amd_counter_msr(&pmu.amd, i), 0);
    }
}

void pmu_restart(struct cpu *cpu)
{
    if (hv.intel)
        zero_intel();
    else
        zero_amd();
    cpu->pmu_started = false;
    pmu_start(cpu);
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
    u32 counters = hv.intel ? pmu.intel.counters : pmu.amd.counters;

    for (u32 i = 0; from != PMU_OFF && cpu->pmu.core.mode == PMU_FILTERED && i < counters; i++) {
        u64 value = hv.intel ? cpu->pmu.intel.shadow[i] : cpu->pmu.amd.shadow[i];

        if ((value & EVTSEL_EN) && !filter_allows(cpu->pmu.core.filter, value))
            pmu_note_denial(cpu, 0, value);
    }
}

static void follow(struct cpu *cpu, enum pmu_mode from)
{
    const struct guest_pmu *own = &cpu->guest->pmu;

    if (hv.intel)
        pmu_intel_switch(&cpu->pmu.intel, &pmu.intel, from, own->mode, own->filter, &own->limits,
                         &native);
    else
        pmu_amd_switch(&cpu->pmu.amd, &pmu.amd, from, own->mode, own->filter, &native);
    note_stopped(cpu, from);
}

void pmu_update(struct cpu *cpu)
{
    enum pmu_mode from = cpu->pmu.core.mode;

    if (!cpu->pmu_started || cpu->pmu.core.generation == cpu->guest->pmu.generation)
        return;
    note_policy(cpu);
    follow(cpu, from);
    cpu->pmu.core.attention = true; /* hv/pmu/credit.c looks again */
    vendor->permissions_changed(cpu);
}

/* What takes long is done while everybody still runs. */
u32 pmu_change(struct cpu *self, struct guest *guest, enum pmu_mode mode,
               const struct pmu_policy *policy)
{
    u32 stopped;

    if (!lock_try(&changing))
        return PMU_BUSY;
    if (policy)
        policy_build(&next, policy, &processor);
    kick_stop(self, guest);
    if (policy) {
        copy_filter(guest->pmu.list, &next);
        adopt(&guest->pmu, policy);
    }
    activate(guest, mode);
    vendor->write_permissions(guest);
    if (self->guest == guest)
        pmu_update(self);
    stopped = kick_resume(self);
    unlock(&changing);
    return stopped;
}
