/* An instruction that the hypervisor emulates did not retire in the guest, so the guest's counters
 * miss it. It is credited: it was one instruction, and one cycle (a lower bound on silicon, exact
 * on bed P), and nothing else. Counters of instructions and of core cycles get it, others only
 * where CMASK and INV make them count cycles. Credited are the counters that the settings in force
 * before the instruction let count: of the WRMSR that enables and the one that disables, the
 * second.
 *
 *     exit --> credit_begin_*() --> the instruction is emulated --> credit_finish_*()
 *
 * Fast paths do what is found out already by themselves (credit_fast.h).
 *
 * A counter that wraps sets its status bit and raises a PMI as LVTPC says, once. Before version 4
 * Intel's status bits cannot be set by software: there a counter stays at its maximum, the guest's
 * next instruction overflows it in hardware, and one event is lost. Lost too is a credit to a
 * counter whose value cannot be written (no full-width writes, SDM 20.2.6).
 *
 * Some of Intel's processors count an exit and entry as an instruction by themselves
 * (pmu_intel_caps.overcounts): there instructions are not credited.
 *
 * Left out: slots, since writing fixed counter 3 starts PERF_METRICS afresh; reference cycles,
 * which follow the TSC; edges; AMD's IRPerf, read-only on most processors, which counts the
 * hypervisor as well. In mode PMU_FULL the kernel counters of AMD count the hypervisor, too, but
 * what is credited to CPL 3 is exact. */
#ifndef CEDE_PMU_CREDIT_H
#define CEDE_PMU_CREDIT_H

#include "base/asm.h"
#include "cpu.h"

/* Before an instruction is emulated: notes whom it will be credited to. `user`: above CPL 0. To be
 * called only if there may be somebody: while `attention` is not 0 on AMD, when
 * pmu_intel_may_credit() says so on Intel. `global_ctrl`: as the exit saved it. */
void credit_begin_amd(struct cpu *cpu, bool user);
void credit_begin_intel(struct cpu *cpu, bool user, u64 global_ctrl);

/* In their place. */
static inline void credit_nobody(struct cpu *cpu)
{
    cpu->pmu.core.due = 0;
}

/* Whether the instruction, now that it is through, is to be credited to somebody ... */
static inline bool credit_is_due(const struct cpu *cpu)
{
    return cpu->pmu.core.due;
}

/* ... and that: -> the counters that wrapped; few do, and then the guest's DEBUGCTL must be known.
 */
u64 credit_finish_amd(struct cpu *cpu);
u64 credit_finish_intel(struct cpu *cpu);
void credit_overflow_amd(struct cpu *cpu, u64 wrapped, u64 debugctl);
void credit_overflow_intel(struct cpu *cpu, u64 wrapped, u64 debugctl);

/* Before VMRUN, where AMD silicon counts that as a branch of the guest's kernel
 * (pmu.vmrun_branch): takes that branch off in advance. */
void credit_vmrun(struct cpu *cpu);

/* Whether an emulated instruction adds to a counter whose event it is `events` times, 0 or 1: one
 * cycle, compared as docs/pmu-model.md rule 10 says. An edge needs a cycle before it without the
 * event, which an instruction between two others does not have. */
static inline bool credit_counts(u64 selector, u32 events)
{
    u32 cmask = (u32)FIELD(selector, 31, 24);

    if (selector & EVTSEL_EDGE)
        return false;
    if (likely(!cmask))
        return events;
    return selector & EVTSEL_INV ? events < cmask : events >= cmask;
}

/* For hv/counters/credit_fast.h: where an instruction counts by a selector that reads `selector`;
 * `credited` is what the hardware has of it, or 0 if none does. */
static inline void credit_know(struct pmu_core *core, u32 counter, u64 selector, u64 credited)
{
    core->known.selector[counter] = selector;
    core->known.rings[counter] = RINGS_OF(credited);
}

/* Whether a PMI has frozen all counters; by halves, for the fast paths' sake. */
static inline bool credit_frozen(u32 global_status)
{
    u32 high;

    rdmsr_halves(global_status, &high);
    return high & GLOBAL_FROZEN >> 32;
}

/* Before version 4 the bit is reserved. */
static inline bool credit_frozen_intel(const struct cpu *cpu)
{
    return cpu->pmu.intel.caps.version >= 4 && credit_frozen(IA32_PERF_GLOBAL_STATUS);
}

/* What a PMI does to GLOBAL_STATUS besides (SDM 18.4.7, from version 4 on; AMD with PerfMonV2): it
 * freezes the counters, and the stack of branch records if there is one, where DEBUGCTL says so,
 * whether LVTPC is masked or not. */
static inline u64 credit_freeze(bool pmi, u64 debugctl, bool has_records)
{
    bool counters = debugctl & DEBUGCTL_FREEZE_PERFMON_ON_PMI;
    bool records = has_records && (debugctl & DEBUGCTL_FREEZE_LBRS_ON_PMI);

    return pmi ? (counters ? GLOBAL_FROZEN : 0) | (records ? GLOBAL_LBRS_FROZEN : 0) : 0;
}

#endif
