/*
 * Bochs' instrumentation interface: the hooks that the model uses, and how little they do while
 * nothing counts. Bochs includes this file in each of its own, in place of its stub.
 */
#include "tally.h"

class bxInstruction_c;

extern pmu::Tally pmu_tally[];
extern uint8_t pmu_opcode[];

void pmu_mode_changed(unsigned cpu, unsigned mode);
void pmu_budget_out(unsigned cpu);
void pmu_branch_retired(unsigned cpu, unsigned flags);
void pmu_conditional(unsigned cpu, uint64_t from, uint64_t to, bool taken);
void pmu_unconditional(unsigned cpu, unsigned what, uint64_t from, uint64_t to);
void pmu_memory(unsigned cpu, uint64_t linear, uint64_t address, unsigned length, unsigned rw);
void pmu_memory_retired(unsigned cpu);
void pmu_far_branch(unsigned cpu, unsigned what, uint64_t from, uint64_t to);
void pmu_delivers(unsigned cpu, unsigned vector);
void pmu_line_flushed(unsigned cpu, uint64_t address);
void pmu_interrupt(unsigned cpu);
void pmu_halted(unsigned cpu);
void pmu_wrmsr(unsigned cpu, uint32_t msr, uint64_t value);
void pmu_context_switch(unsigned cpu);
void pmu_vmexit(unsigned cpu, uint32_t reason);
void pmu_initialize(unsigned cpu);
void pmu_reset(unsigned cpu, unsigned type);
void pmu_start(void);

#define BX_INSTR_INIT_ENV() pmu_start()
#define BX_INSTR_EXIT_ENV()
#define BX_INSTR_INITIALIZE(cpu) pmu_initialize(cpu)
#define BX_INSTR_EXIT(cpu)
#define BX_INSTR_RESET(cpu, type)                   pmu_reset(cpu, type)
#define BX_INSTR_HLT(cpu)                           pmu_halted(cpu)
#define BX_INSTR_MWAIT(cpu, address, length, flags) pmu_halted(cpu)
#define BX_INSTR_DEBUG_PROMPT()
#define BX_INSTR_DEBUG_CMD(command)

#define BX_INSTR_CNEAR_BRANCH_TAKEN(cpu, from, to)                            \
    do {                                                                      \
        if (pmu::hot_cores && (pmu_tally[cpu].branch_flags & pmu::OP_BRANCH)) \
            pmu_conditional(cpu, from, to, true);                             \
    } while (0)
#define BX_INSTR_CNEAR_BRANCH_NOT_TAKEN(cpu, from)                            \
    do {                                                                      \
        if (pmu::hot_cores && (pmu_tally[cpu].branch_flags & pmu::OP_BRANCH)) \
            pmu_conditional(cpu, from, 0, false);                             \
    } while (0)
#define BX_INSTR_UCNEAR_BRANCH(cpu, what, from, to)                           \
    do {                                                                      \
        if (pmu::hot_cores && (pmu_tally[cpu].branch_flags & pmu::OP_BRANCH)) \
            pmu_unconditional(cpu, what, from, to);                           \
    } while (0)
#define BX_INSTR_FAR_BRANCH(cpu, what, from_cs, from, to_cs, to) \
    do {                                                         \
        if (pmu_tally[cpu].hot)                                  \
            pmu_far_branch(cpu, what, from, to);                 \
    } while (0)

#define BX_INSTR_OPCODE(cpu, i, opcode, length, is32, is64)
#define BX_INSTR_EXCEPTION(cpu, vector, error_code)
#define BX_INSTR_INTERRUPT(cpu, vector) \
    do {                                \
        if (pmu_tally[cpu].hot)         \
            pmu_delivers(cpu, vector);  \
    } while (0)
#define BX_INSTR_HWINTERRUPT(cpu, vector, cs, ip) \
    do {                                          \
        if (pmu_tally[cpu].hot)                   \
            pmu_interrupt(cpu);                   \
    } while (0)
#define BX_INSTR_CLFLUSH(cpu, linear, physical) pmu_line_flushed(cpu, physical)
#define BX_INSTR_CACHE_CNTRL(cpu, what)
#define BX_INSTR_TLB_CNTRL(cpu, what, cr3)     \
    do {                                       \
        if ((what) == BX_INSTR_CONTEXT_SWITCH) \
            pmu_context_switch(cpu);           \
    } while (0)
#define BX_INSTR_PREFETCH_HINT(cpu, what, segment, offset)
#define BX_INSTR_REPEAT_ITERATION(cpu, i)
#define BX_INSTR_LIN_ACCESS(cpu, linear, physical, length, type, rw) \
    do {                                                             \
        if (pmu::hot_cores && pmu_tally[cpu].watch_memory)           \
            pmu_memory(cpu, linear, physical, length, rw);           \
    } while (0)
#define BX_INSTR_PHY_ACCESS(cpu, physical, length, type, rw)
#define BX_INSTR_INP(port, length)
#define BX_INSTR_INP2(port, length, value)
#define BX_INSTR_OUTP(port, length, value)
#define BX_INSTR_WRMSR(cpu, msr, value)             pmu_wrmsr(cpu, msr, value)
#define BX_INSTR_VMEXIT(cpu, reason, qualification) pmu_vmexit(cpu, reason)

/*
 * While nothing counts, the mode does not matter. What changes it (far transfers, interrupts, VM
 * entry and exit) always returns to Bochs' main loop, so the hooks between two instructions of a
 * trace, which are expanded in the instructions' own files, need not look. The comparison is made
 * at compile time.
 */
#define BX_INSTR_BEFORE_EXECUTION(cpu, i)                                                        \
    do {                                                                                         \
        if (__builtin_strcmp(__FILE__, "cpu.cc") == 0 && pmu::hot_cores && pmu_tally[cpu].hot) { \
            unsigned mode_ =                                                                     \
                (unsigned)BX_CPU_THIS_PTR user_pl |                                              \
                (unsigned)(BX_CPU_THIS_PTR in_vmx_guest | BX_CPU_THIS_PTR in_svm_guest) << 1;    \
            if (mode_ != pmu_tally[cpu].mode)                                                    \
                pmu_mode_changed(cpu, mode_);                                                    \
            pmu_tally[cpu].touched = 0;                                                          \
            pmu_tally[cpu].ip = BX_CPU_THIS_PTR get_instruction_pointer();                       \
        }                                                                                        \
    } while (0)

/*
 * Only instructions that are through get here: a fault or a VM exit leaves by longjmp. A repeated
 * string instruction that was interrupted gets here too, with RF set so that it continues later: it
 * has not retired.
 */
#define BX_INSTR_AFTER_EXECUTION(cpu, i)                                                        \
    do {                                                                                        \
        if (!pmu::hot_cores)                                                                    \
            break;                                                                              \
        pmu::Tally *tally_ = &pmu_tally[cpu];                                                   \
        if (tally_->hot) {                                                                      \
            uint8_t flags_ = pmu_opcode[(i)->getIaOpcode()];                                    \
            if (flags_) {                                                                       \
                if ((flags_ & pmu::OP_REPEATED) && (i)->repUsedL() && BX_CPU_THIS_PTR get_RF()) \
                    break;                                                                      \
                tally_->count[pmu::BRANCHES][tally_->mode] += flags_ & pmu::OP_BRANCH;          \
                if (flags_ & tally_->branch_flags)                                              \
                    pmu_branch_retired(cpu, flags_);                                            \
            }                                                                                   \
            if (tally_->touched)                                                                \
                pmu_memory_retired(cpu);                                                        \
            if (--tally_->budget <= 0)                                                          \
                pmu_budget_out(cpu);                                                            \
            tally_->ip = BX_CPU_THIS_PTR get_instruction_pointer();                             \
        }                                                                                       \
    } while (0)
