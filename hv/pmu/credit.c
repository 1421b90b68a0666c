#include "pmu/credit.h"
#include "asm.h"
#include "hv.h"
#include "pmu/pmi.h"
#include "pmu/pmu.h"
#include "pmu/policy.h"

static bool is_amd(void)
{
    return hv.msr.vendor == CPU_AMD;
}

/* --- what is programmed ----------------------------------------------------------------------- */

/* The selector as the hardware has it. PMU_FULL intercepts none, so shadows tell nothing then. */
static u64 selector(const struct cpu *cpu, u32 counter)
{
    if (pmu.mode == PMU_FULL)
        return rdmsr(is_amd() ? pmu_amd_selector_msr(&pmu.amd, counter)
                              : IA32_PERFEVTSEL0 + counter);
    return is_amd() ? pmu_amd_value(pmu.mode, &pmu.filter, cpu->pmu.amd.shadow[counter])
                    : pmu_intel_value(pmu.mode, &pmu.filter, cpu->pmu.intel.shadow[counter]);
}

/* Retired instructions, cycles not in halt. */
static u32 amd_events(u64 value)
{
    u64 event = value & (PERF_CTL_EVENT_HIGH | EVTSEL_EVENT);

    return event == 0xc0 || event == 0x76;
}

/* Instructions retired, by both umasks that count them all; core cycles not in halt. */
static u32 intel_events(u64 value)
{
    u64 event = value & (EVTSEL_EVENT | EVTSEL_UMASK | EVTSEL_UMASK2);

    return event == 0xc0 || event == 0x1c0 || event == 0x3c;
}

/* Host mode is none of the guest's; neither are transactions, which an exit ends. */
static bool elsewhere(u64 value)
{
    u64 sides = value & (PERF_CTL_GUEST_ONLY | PERF_CTL_HOST_ONLY);

    return is_amd() ? sides == PERF_CTL_HOST_ONLY : value & BIT(32);
}

static bool credited(u64 value)
{
    return (value & EVTSEL_EN) && !elsewhere(value) &&
           credit_counts(value, is_amd() ? amd_events(value) : intel_events(value));
}

/* --- whom an instruction is credited to ------------------------------------------------------- */

/* Where selectors are not seen, where any may need it, and where entries matter. */
static bool always_attentive(void)
{
    bool cmask = policy_modifiers(pmu.policy) & EVTSEL_CMASK;

    return pmu.mode == PMU_FULL || (is_amd() && (cmask || pmu.vmrun_branch));
}

static void collect_selectors(struct cpu *cpu, bool user)
{
    struct pmu_core *core = &cpu->pmu.core;
    u32 counters = is_amd() ? pmu.amd.counters : pmu.intel.counters;

    core->attention = always_attentive();
    for (u32 i = 0; i < counters; i++) {
        u64 value = selector(cpu, i);

        if (!credited(value))
            continue;
        core->attention = true;
        if (value & (user ? EVTSEL_USR : EVTSEL_OS))
            core->due |= BIT(i);
        if (value & EVTSEL_INT)
            core->due_pmi |= BIT(i);
    }
}

/* Without PerfMonV2 there is neither global control nor freezing. */
static void limit_amd(struct pmu_core *core)
{
    if (!core->due || !pmu.amd.perfmon_v2)
        return;
    core->due &= rdmsr(MSR_PERF_GLOBAL_CTL);
    if (core->due && (rdmsr(MSR_PERF_GLOBAL_STATUS) & GLOBAL_FROZEN))
        core->due = 0;
}

/* Fixed counter 0 counts instructions, 1 core cycles (SDM table 20-2). */
static void collect_fixed(struct pmu_core *core, bool user, u64 global_ctrl)
{
    u64 control;

    if (!(global_ctrl & GLOBAL_FIXED_CREDITED))
        return;
    control = rdmsr(IA32_FIXED_CTR_CTRL);
    for (u32 i = 0; i < 2; i++) {
        if (FIXED_FIELD(control, i) & (user ? FIXED_USR : FIXED_OS))
            core->due |= GLOBAL_FIXED(i);
        if (FIXED_FIELD(control, i) & FIXED_PMI)
            core->due_pmi |= GLOBAL_FIXED(i);
    }
}

static void limit_intel(struct pmu_core *core, u64 global_ctrl)
{
    core->due &= global_ctrl;
    if (core->due && pmu.intel.version >= 4 && (rdmsr(IA32_PERF_GLOBAL_STATUS) & GLOBAL_FROZEN))
        core->due = 0;
}

void credit_begin(struct cpu *cpu, bool user, u64 global_ctrl)
{
    struct pmu_core *core = &cpu->pmu.core;

    core->due = core->due_pmi = 0;
    if (core->attention)
        collect_selectors(cpu, user);
    if (is_amd()) {
        limit_amd(core);
    } else {
        collect_fixed(core, user, global_ctrl);
        limit_intel(core, global_ctrl);
    }
}

/* --- crediting -------------------------------------------------------------------------------- */

struct counter {
    u32 msr, width;
    bool sign_extended; /* a write takes 32 bits */
};

/* `bit` is the counter's in GLOBAL_CTRL. */
static struct counter counter_of(u32 bit)
{
    if (is_amd())
        return (struct counter){pmu_amd_counter_msr(&pmu.amd, bit), PMU_AMD_WIDTH, false};
    if (bit >= 32)
        return (struct counter){IA32_FIXED_CTR0 + bit - 32, pmu.intel.fixed_width, false};
    if (pmu.intel.full_width)
        return (struct counter){IA32_A_PMC0 + bit, pmu.intel.width, false};
    return (struct counter){IA32_PMC0 + bit, pmu.intel.width, true};
}

static bool can_write(const struct counter *counter, u64 value)
{
    u64 high = MASK(counter->width - 1, 31);

    return !counter->sign_extended || !(value & high) || (value & high) == high;
}

/* -> it overflowed */
static bool add_one(u32 bit)
{
    struct counter counter = counter_of(bit);
    u64 value = (rdmsr(counter.msr) + 1) & MASK(counter.width - 1, 0);

    if (!value && !is_amd() && pmu.intel.version < 4)
        return false;
    if (!can_write(&counter, value))
        return false;
    wrmsr(counter.msr, value);
    return !value;
}

u64 credit_apply(struct cpu *cpu)
{
    u64 left = cpu->pmu.core.due, wrapped = 0;

    cpu->pmu.core.due = 0;
    for (; left; left &= left - 1)
        if (add_one((u32)__builtin_ctzll(left)))
            wrapped |= left & -left;
    return wrapped;
}

/* A PMI freezes the counters where DEBUGCTL says so (SDM 18.4.7; on AMD with PerfMonV2), before it
 * is delivered and whether LVTPC is masked or not. */
void credit_overflow(struct cpu *cpu, u64 wrapped, u64 debugctl)
{
    bool pmi = wrapped & cpu->pmu.core.due_pmi;
    u64 status = wrapped;

    if (pmi && (debugctl & DEBUGCTL_FREEZE_PERFMON_ON_PMI))
        status |= GLOBAL_FROZEN;
    if (!is_amd())
        wrmsr(IA32_PERF_GLOBAL_STATUS_SET, status);
    else if (pmu.amd.perfmon_v2)
        wrmsr(MSR_PERF_GLOBAL_STATUS_SET, status);
    if (pmi)
        pmi_raise(cpu, !is_amd());
}

/* --- VMRUN ------------------------------------------------------------------------------------ */

static bool counts_vmrun(u64 value)
{
    return (value & EVTSEL_EN) && (value & EVTSEL_OS) && !elsewhere(value) &&
           (value & (PERF_CTL_EVENT_HIGH | EVTSEL_EVENT)) == 0xc2;
}

/* A counter at 0 would overflow once more when VMRUN counts; what cannot be taken off now is owed.
 */
static void take_one(struct pmu_core *core, u32 counter)
{
    u32 msr = pmu_amd_counter_msr(&pmu.amd, counter);
    u64 value = rdmsr(msr), owed = (u64)core->owed[counter] + 1, now = MIN(value, owed);

    if (now)
        wrmsr(msr, value - now);
    core->owed[counter] = (u8)MIN(owed - now, 0xff);
}

void credit_entry(struct cpu *cpu)
{
    u64 running = ~0ULL;

    if (!pmu.vmrun_branch)
        return;
    if (pmu.amd.perfmon_v2)
        running = rdmsr(MSR_PERF_GLOBAL_STATUS) & GLOBAL_FROZEN ? 0 : rdmsr(MSR_PERF_GLOBAL_CTL);
    for (u32 i = 0; i < pmu.amd.counters; i++)
        if ((running & BIT(i)) && counts_vmrun(selector(cpu, i)))
            take_one(&cpu->pmu.core, i);
}
