#include "counters/pmu_vendor.h"
#include "base/asm.h"
#include "guest.h"
#include "base/tsc.h"
#include "vendor.h"

struct pmu pmu;

const struct pmu_access pmu_native = {cpuid, rdmsr_safe, wrmsr_safe};

static struct policy_cpu processor;
static struct filter nothing; /* all zeros: denies everything */
static struct filter next;    /* being built */

static const struct pmu_vendor *maker(void)
{
    return hv.intel ? &pmu_vendor_intel : &pmu_vendor_amd;
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

u32 pmu_grants(const struct guest_pmu *own)
{
    return own->mode == PMU_OFF ? 0 : policy_grants(&own->policy) & pmu.grants;
}

static u32 features_granted(const struct guest_pmu *own)
{
    static const u32 features[GRANTS] = {
        [GRANT_LBR] = BIT(FEATURE_LBR) | BIT(FEATURE_LBR_STACK),
        [GRANT_IBS] = BIT(FEATURE_IBS),
        [GRANT_UNCORE] = BIT(FEATURE_UNCORE) | BIT(FEATURE_QOS_MONITOR),
        [GRANT_ENERGY] = BIT(FEATURE_POWER),
    };
    u32 grants = pmu_grants(own), granted = 0;

    for (; grants; grants &= grants - 1)
        granted |= features[__builtin_ctz(grants)];
    return granted & ~pmu.lacking;
}

/* Puts mode and policy in force, for the cores of the guest that ask from now on. */
static void activate(struct guest *guest, enum pmu_mode mode)
{
    struct guest_pmu *own = &guest->pmu;
    u32 before = guest->msr.granted;

    own->mode = (u8)mode;
    own->filter = mode == PMU_FILTERED ? own->list : &nothing;
    own->generation++;
    guest->msr.pmu = (u8)mode;
    maker()->limit(guest);
    guest->msr.granted |= features_granted(own);
    guest->msr.withdrawn = (guest->msr.withdrawn | before) & ~guest->msr.granted;
}

static const struct cpu_ops native = {cpuid, rdmsr, read_cr4};

void pmu_prepare(const struct msr_context *context)
{
    maker()->describe(context->family, &processor);
    pmu.grants = grants_possible(&native, hv.info->guest_count);
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
    if (cpu->pmu_started)
        return;
    maker()->start(cpu);
    note_policy(cpu);
    cpu->pmu_started = true;
}

void pmu_restart(struct cpu *cpu)
{
    maker()->zero();
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
    u32 count;
    const u64 *shadow = maker()->shadow(cpu, &count);

    for (u32 i = 0; from != PMU_OFF && cpu->pmu.core.mode == PMU_FILTERED && i < count; i++)
        if ((shadow[i] & EVTSEL_EN) && !filter_allows(cpu->pmu.core.filter, shadow[i]))
            pmu_note_denial(cpu, 0, shadow[i]);
}

void pmu_update(struct cpu *cpu)
{
    enum pmu_mode from = cpu->pmu.core.mode;

    if (!cpu->pmu_started || cpu->pmu.core.generation == cpu->guest->pmu.generation)
        return;
    note_policy(cpu);
    maker()->follow(cpu, from);
    note_stopped(cpu, from);
    vendor->permissions_changed(cpu);
}

enum policy_grant pmu_refused(const struct pmu_policy *policy, enum grant_answer *why)
{
    return grants_refused(&native, policy, hv.info->guest_count, why);
}

void pmu_build(const struct pmu_policy *policy)
{
    policy_build(&next, policy, &processor);
}

void pmu_adopt(struct guest *guest, enum pmu_mode mode, const struct pmu_policy *policy)
{
    if (policy) {
        copy_filter(guest->pmu.list, &next);
        adopt(&guest->pmu, policy);
    }
    activate(guest, mode);
}
