/* An instruction that the hypervisor emulates did not retire in the guest, so the guest's counters
 * miss it. It is credited: it was one instruction, and one cycle (a lower bound on silicon, exact
 * on bed P), and nothing else. Counters of instructions and of core cycles get it, others only
 * where CMASK and INV make them count cycles. Credited are the counters that the settings in force
 * before the instruction let count: of the WRMSR that enables and the one that disables, the
 * second.
 *
 *     exit --> credit_begin() --> the instruction is emulated --> credit_apply()
 *
 * A counter that wraps sets its status bit and raises a PMI as LVTPC says, once. Before version 4
 * Intel's status bits cannot be set by software: there a counter stays at its maximum, the guest's
 * next instruction overflows it in hardware, and one event is lost. Lost too is a credit to a
 * counter whose value cannot be written (no full-width writes, SDM 20.2.6).
 *
 * Left out: slots, since writing fixed counter 3 starts PERF_METRICS afresh; reference cycles,
 * which follow the TSC; edges; AMD's IRPerf, read-only on most processors, which counts the
 * hypervisor as well. */
#ifndef CEDE_PMU_CREDIT_H
#define CEDE_PMU_CREDIT_H

#include "cpu.h"

/* Before an instruction is emulated: notes whom it will be credited to. `user`: above CPL 0.
 * `global_ctrl`: Intel's, as the exit saved it; AMD's is read here. */
void credit_begin(struct cpu *cpu, bool user, u64 global_ctrl);

/* The instruction that credit_begin() was told of is through: credits it, once. -> the counters
 * that wrapped, for credit_overflow(); few do. */
u64 credit_apply(struct cpu *cpu);

/* Counters wrapped: sets their status, and raises a PMI if one of them asks for it. `debugctl`: the
 * guest's. */
void credit_overflow(struct cpu *cpu, u64 wrapped, u64 debugctl);

/* Before VMRUN, which AMD silicon counts as a branch of the guest's kernel (pmu.vmrun_branch):
 * takes that branch off in advance. */
void credit_entry(struct cpu *cpu);

/* Whether an emulated instruction adds to a counter whose event it is `events` times, 0 or 1: one
 * cycle, compared as docs/pmu-model.md rule 10 says. An edge needs a cycle before it without the
 * event, which an instruction between two others does not have. */
static inline bool credit_counts(u64 selector, u32 events)
{
    u32 cmask = (u32)FIELD(selector, 31, 24);

    if (selector & EVTSEL_EDGE)
        return false;
    if (!cmask)
        return events;
    return selector & EVTSEL_INV ? events < cmask : events >= cmask;
}

#endif
