/* Shared by the files of the SVM backend. */
#ifndef CEDE_SVM_H
#define CEDE_SVM_H

#include "cpu.h"
#include "base/msr.h"
#include "svm/vmcb.h"

struct svm {
    bool init_exits;     /* VM_CR.R_INIT works: INIT is intercepted */
    bool flush_by_asid;  /* CPUID 8000_000A EDX[6] */
    bool decode_assists; /* EDX[7]: the VMCB has instruction bytes after a nested page fault */
    bool v_spec_ctrl;    /* EDX[20]: the guest's SPEC_CTRL lives in the VMCB */
    bool eraps;          /* 8000_0021 EAX[24]: the return predictor clears itself */
};

extern struct svm svm;

/* Every guest's address space identifier; 0 is the host's (APM 15.5.1). Each core has its own
 * TLB, so all use the same. */
#define GUEST_ASID 1

#define PAT_RESET 0x0007040600070406ULL

struct launch;
struct guest_state;

/* hv/svm/inspect.c, for the console. */
const char *svm_last_exit(struct cpu *cpu);
bool svm_guest_state(struct cpu *cpu, struct guest_state *state);

/* hv/svm/state.c: fills the guest state. */
void svm_capture_state(struct cpu *cpu, const struct launch *launch, u64 ssp);
void svm_controls(struct cpu *cpu);
void svm_set_pmu_intercepts(struct cpu *cpu);
void svm_reset_state(struct cpu *cpu, u8 vector);
void svm_begin_life(struct cpu *cpu);
void svm_boot_state(struct cpu *cpu);
__attribute__((noreturn)) void svm_await_sipi(struct cpu *cpu);

/* hv/svm/lbr.c: whether branch records are the guest's, as its policy says now, on its core and
 * with the guest out; the DebugCtl that it sees; a life begins without records. */
void svm_set_lbr(struct cpu *cpu);
u64 svm_guest_debugctl(struct cpu *cpu);
void svm_forget_branches(struct vmcb *vmcb);

/* hv/svm/init_signal.c: an INIT exit. Returns when the core has got its SIPI and its guest state is
 * reset.
 */
void svm_init_exit(struct cpu *cpu);
/* An SMI exit; an NMI exit, which there is only where INITs do not exit. */
void svm_smi_exit(struct cpu *cpu);
void svm_nmi_exit(struct cpu *cpu);
u32 svm_signal_icr(void);
void svm_absorb_signal(struct cpu *cpu);
void svm_breathe(struct cpu *cpu);
bool svm_take_blocked_nmi(struct cpu *cpu);
void svm_let_smi_in(struct cpu *cpu);
__attribute__((noreturn)) void svm_await_reset(struct cpu *cpu);
bool svm_let_in(struct cpu *cpu, u64 vector);

/* hv/svm/nmi_held.c: an NMI exit whose NMI is blocked; IRET; #DB. */
void svm_hold_nmi(struct cpu *cpu);
void svm_iret_exit(struct cpu *cpu);
void svm_stepped(struct cpu *cpu);

/* hv/svm/run.S */
__attribute__((noreturn)) void svm_enter(struct cpu *cpu);

/* hv/svm/fast.c, page.c and slow.c, from run.S. */
bool svm_fast_exit(struct cpu *cpu);
bool svm_page_exit(struct cpu *cpu);
void svm_slow_exit(struct cpu *cpu);

/* After an emulated instruction, with RIP behind it. */
void svm_instruction_done(struct cpu *cpu);

/* TLB_CONTROL for "forget this guest's translations on this core" (APM 15.16.1). */
static inline u8 svm_flush(bool flush_by_asid)
{
    return flush_by_asid ? TLB_FLUSH_ASID : TLB_FLUSH_ALL;
}

/* Goes to the next instruction. Without NRIPS (CPUID 8000_000A EDX[3]) the field stays 0, and
 * `bytes` is the length of the plain instruction. Ends an interrupt shadow, as the instruction
 * would have. */
static inline void svm_advance(struct vmcb *vmcb, u32 bytes)
{
    u64 next = vmcb->rip + bytes;

    if (vmcb->nrip)
        next = vmcb->nrip;
    vmcb->rip = next;
    vmcb->int_shadow = 0;
}

static inline void svm_inject(struct vmcb *vmcb, u8 vector)
{
    vmcb->event_inj = EVENT_VALID | EVENT_EXCEPTION << 8 | vector;
}

/* In real mode exceptions push no error code. */
static inline void svm_inject_gp(struct vmcb *vmcb)
{
    svm_inject(vmcb, 13);
    if (vmcb->cr0 & CR0_PE)
        vmcb->event_inj |= EVENT_ERROR_CODE;
}

/* The event that an exit interrupted, to be delivered again (APM 15.7.2), or 0. Software interrupts
 * and INT3/INTO are not: RIP still points at the instruction, which is executed again. */
static inline u64 svm_interrupted_event(u64 exit_int_info)
{
    u64 type = EVENT_TYPE(exit_int_info), vector = EVENT_VECTOR(exit_int_info);

    if (!(exit_int_info & EVENT_VALID) || type == EVENT_SOFT_INT)
        return 0;
    return type == EVENT_EXCEPTION && (vector == 3 || vector == 4) ? 0 : exit_int_info;
}

#endif
