#include "base/asm.h"
#include "counters/credit.h"
#include "counters/pmi.h"
#include "counters/pmu.h"

/* Retired instructions, cycles not in halt. */
static bool credited(u64 value)
{
    u64 event = value & (PERF_CTL_EVENT_HIGH | EVTSEL_EVENT);

    return (value & EVTSEL_EN) && credit_counts(value, event == 0xc0 || event == 0x76);
}

/* The selector as the hardware has it, if an emulated instruction counts there; else 0. PMU_FULL
 * intercepts none, so that shadows tell nothing. */
static u64 credited_selector(const struct cpu *cpu, u32 counter)
{
    u64 value = cpu->pmu.amd.shadow[counter];

    if (cpu->pmu.core.mode == PMU_FULL) {
        value = rdmsr(pmu_amd_selector_msr(&pmu.amd, counter));
        if ((value & (PERF_CTL_GUEST_ONLY | PERF_CTL_HOST_ONLY)) == PERF_CTL_HOST_ONLY)
            return 0;
    }
    if (!credited(value))
        return 0;
    return pmu_amd_value(cpu->pmu.core.mode, cpu->pmu.core.filter, value);
}

/* Selectors that need looking at whatever was last seen there: none is seen, CMASK makes any of
 * them count cycles, or entries matter. */
static u16 always(const struct cpu *cpu)
{
    bool cmask =
        cpu->pmu.core.mode == PMU_FILTERED && !(cpu->pmu.core.filter->refused_low & EVTSEL_CMASK);

    if (likely(cpu->pmu.core.mode != PMU_FULL && !cmask && !pmu.vmrun_branch))
        return 0;
    return (u16)(BIT(pmu.amd.counters) - 1);
}

/* Without PerfMonV2 there is neither global control nor freezing. */
static u64 running(u64 counters)
{
    if (!counters || !pmu.amd.perfmon_v2)
        return counters;
    counters &= rdmsr(MSR_PERF_GLOBAL_CTL);
    return counters && credit_frozen(MSR_PERF_GLOBAL_STATUS) ? 0 : counters;
}

/* hv/counters/credit_fast.h sees selectors by their shadows and names, and no VMRUN. */
static bool can_be_fast(const struct cpu *cpu)
{
    return cpu->pmu.core.mode == PMU_FILTERED && pmu.amd.extended &&
           pmu.amd.counters == PMU_AMD_COUNTERS && !pmu.vmrun_branch;
}

void credit_begin_amd(struct cpu *cpu, bool user)
{
    struct pmu_core *core = &cpu->pmu.core;
    u64 ring = user ? EVTSEL_USR : EVTSEL_OS, due = 0;

    core->due_pmi = 0;
    for (u32 left = core->attention; left; left &= left - 1) {
        u32 i = (u32)__builtin_ctz(left);
        u64 value = credited_selector(cpu, i);

        credit_know(core, i, cpu->pmu.amd.shadow[i], value);
        if (!value)
            core->attention &= (u16)~BIT(i);
        if (value & ring)
            due |= BIT(i);
        if (value & EVTSEL_INT)
            core->due_pmi |= BIT(i);
    }
    core->known.valid = can_be_fast(cpu);
    core->known.kept = always(cpu);
    core->attention |= core->known.kept;
    core->due = running(due);
}

/* -> it overflowed */
static bool add_one(u32 counter)
{
    u32 msr = pmu_amd_counter_msr(&pmu.amd, counter);
    u64 value = (rdmsr(msr) + 1) & MASK(PMU_AMD_WIDTH - 1, 0);

    wrmsr(msr, value);
    return !value;
}

void credit_overflow_amd(struct cpu *cpu, u64 wrapped, u64 debugctl)
{
    bool pmi = wrapped & cpu->pmu.core.due_pmi;

    if (pmu.amd.perfmon_v2)
        wrmsr(MSR_PERF_GLOBAL_STATUS_SET,
              wrapped | credit_freeze(pmi, debugctl, pmu.amd.lbr_stack));
    if (pmi)
        pmi_raise(cpu, false);
}

u64 credit_finish_amd(struct cpu *cpu)
{
    u64 left = cpu->pmu.core.due, wrapped = 0;

    cpu->pmu.core.due = 0;
    for (; left; left &= left - 1)
        if (unlikely(add_one((u32)__builtin_ctzll(left))))
            wrapped |= left & -left;
    return wrapped;
}

/* --- VMRUN ------------------------------------------------------------------------------------ */

static bool counts_vmrun(const struct cpu *cpu, u32 counter)
{
    u64 value = cpu->pmu.amd.shadow[counter], needed = EVTSEL_EN | EVTSEL_OS;

    if (cpu->pmu.core.mode == PMU_FULL)
        value = rdmsr(pmu_amd_selector_msr(&pmu.amd, counter));
    return (value & needed) == needed && (value & (PERF_CTL_EVENT_HIGH | EVTSEL_EVENT)) == 0xc2 &&
           pmu_amd_value(cpu->pmu.core.mode, cpu->pmu.core.filter, value);
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

void credit_vmrun(struct cpu *cpu)
{
    u64 left = 0;

    for (u32 i = 0; i < pmu.amd.counters; i++)
        left |= (u64)counts_vmrun(cpu, i) << i;
    for (left = running(left); left; left &= left - 1)
        take_one(&cpu->pmu.core, (u32)__builtin_ctzll(left));
}
