/* Every other exit. All registers are in struct cpu while this runs. */
#include "exits/apic_page.h"
#include "base/asm.h"
#include "console/console.h"
#include "exits/exits.h"
#include "host/keep.h"
#include "host/machine_check.h"
#include "hv.h"
#include "serial/log.h"
#include "base/msr.h"
#include "exits/msr_access.h"
#include "ports/outs.h"
#include "counters/credit.h"
#include "counters/pmu.h"
#include "svm/svm.h"

#define DR6_BS BIT(14)
enum { DB = 1, UD = 6 };

static __attribute__((noreturn)) void stop(struct cpu *cpu, const char *what)
{
    const struct vmcb *vmcb = cpu_vmcb(cpu);

    log_line("panic: core %u: %s: exit %x, info %x %x", (u64)cpu->index, what, vmcb->exit_code,
             vmcb->exit_info1, vmcb->exit_info2);
    log_line("panic:   guest cs:rip %x:%x rsp %x rflags %x cpl %u", (u64)vmcb->cs.selector,
             vmcb->rip, vmcb->rsp, vmcb->rflags, (u64)vmcb->cpl);
    log_line("panic:   cr0 %x cr2 %x cr3 %x cr4 %x efer %x", vmcb->cr0, vmcb->cr2, vmcb->cr3,
             vmcb->cr4, vmcb->efer);
    exit_unexpected(cpu);
}

/* This and single_step() apart: exits that need neither stay short. */
static __attribute__((noinline)) void credit(struct cpu *cpu)
{
    u64 wrapped = credit_finish_amd(cpu);

    if (unlikely(wrapped))
        credit_overflow_amd(cpu, wrapped, svm_guest_debugctl(cpu));
}

/* With BTF only branches trap (APM 13.1.3.1). */
static __attribute__((noinline)) void single_step(struct cpu *cpu)
{
    struct vmcb *vmcb = cpu_vmcb(cpu);

    if (svm_guest_debugctl(cpu) & DEBUGCTL_BTF)
        return;
    vmcb->dr6 |= DR6_BS;
    vmcb->clean &= ~(u32)CLEAN_DRX;
    svm_inject(vmcb, DB);
}

/* What the processor does after an instruction: it counts it, ends RF, and traps if TF is set
 * (APM 13.1.4). The instruction was emulated, so nothing of that happens by itself. */
void svm_instruction_done(struct cpu *cpu)
{
    struct vmcb *vmcb = cpu_vmcb(cpu);

    if (unlikely(credit_is_due(cpu)))
        credit(cpu);
    vmcb->rflags &= ~RFLAGS_RF;
    if (unlikely(vmcb->rflags & RFLAGS_TF))
        single_step(cpu);
}

static void finish_instruction(struct cpu *cpu, u32 bytes)
{
    svm_advance(cpu_vmcb(cpu), bytes);
    svm_instruction_done(cpu);
}

/* EFER is in the VMCB, with SVME set for VMRUN's sake. The processor itself judges reserved bits:
 * the host's EFER takes the guest's value for a moment, with the bits that the host lives on kept.
 * LME may not change under paging, LMA is not writable (APM 3.1.7). What is changed in the VMCB
 * flushes nothing (15.16, software rule). */
static bool write_efer(struct vmcb *vmcb, u64 value)
{
    u64 host = rdmsr(IA32_EFER), keep = EFER_LME | EFER_LMA | EFER_NXE | EFER_SVME;

    if ((value & EFER_SVME) || ((vmcb->cr0 & CR0_PG) && ((value ^ vmcb->efer) & EFER_LME)))
        return false;
    if (!wrmsr_safe(IA32_EFER, (value & ~keep) | (host & keep)))
        return false;
    wrmsr(IA32_EFER, host);
    vmcb->efer = (value & ~EFER_LMA) | (vmcb->efer & EFER_LMA) | EFER_SVME;
    vmcb->clean &= ~(u32)CLEAN_CRX;
    vmcb->tlb_control = svm_flush(svm.flush_by_asid);
    return true;
}

static bool read_msr(struct cpu *cpu, struct vmcb *vmcb, u32 msr, u64 *value)
{
    if (msr != IA32_EFER)
        return msr_read(cpu, msr, value);
    cpu->exits[EXIT_MSR_READ]++;
    *value = vmcb->efer & ~EFER_SVME;
    return true;
}

static bool write_msr(struct cpu *cpu, struct vmcb *vmcb, u32 msr, u64 value)
{
    if (msr != IA32_EFER)
        return msr_write(cpu, msr, value);
    cpu->exits[EXIT_MSR_WRITE]++;
    return write_efer(vmcb, value);
}

static void handle_rdmsr(struct cpu *cpu, struct vmcb *vmcb)
{
    u64 value;

    if (!read_msr(cpu, vmcb, (u32)cpu->regs[RCX], &value)) {
        svm_inject_gp(vmcb);
        return;
    }
    exit_msr_result(cpu, value);
    finish_instruction(cpu, 2);
}

static void handle_wrmsr(struct cpu *cpu, struct vmcb *vmcb)
{
    if (write_msr(cpu, vmcb, (u32)cpu->regs[RCX], exit_msr_value(cpu)))
        finish_instruction(cpu, 2);
    else
        svm_inject_gp(vmcb);
}

/* EXITINFO1 of an IOIO exit, APM 15.10.2. */
#define IOIO_IN      BIT(0)
#define IOIO_STRING  BIT(2)
#define IOIO_REPEAT  BIT(3)
#define IOIO_ADDR_16 BIT(7)
#define IOIO_ADDR_32 BIT(8)

/* The segment's number, in the order that the VMCB has too, comes with decode assists; else it is
 * taken for DS. In 64-bit mode only FS and GS have a base; these two are still in the processor. */
static void describe_outs(struct cpu *cpu, u64 info, struct outs *outs)
{
    struct vmcb *vmcb = cpu_vmcb(cpu);
    u32 segment = svm.decode_assists ? (u32)FIELD(info, 12, 10) : 3;
    bool code64 = (vmcb->efer & EFER_LMA) && (vmcb->cs.attributes & BIT(9));
    u64 base;

    if (segment >= 4)
        vmsave(vmcb);
    base = code64 && segment < 4 ? 0 : (&vmcb->es)[segment].base;
    *outs = (struct outs){.mask = info & IOIO_ADDR_16                ? 0xffff
                                  : code64 && !(info & IOIO_ADDR_32) ? ~0ULL
                                                                     : 0xffffffff,
                          .port = (u16)FIELD(info, 31, 16),
                          .size = (u8)FIELD(info, 6, 4),
                          .repeat = info & IOIO_REPEAT};
    outs->linear = (base + (cpu->regs[RSI] & outs->mask)) & (code64 ? ~0ULL : 0xffffffff);
}

static enum outs_status handle_string(struct cpu *cpu, struct vmcb *vmcb)
{
    struct outs described;

    if ((vmcb->exit_info1 & IOIO_IN) || vmcb->cpl)
        return OUTS_REFUSED;
    describe_outs(cpu, vmcb->exit_info1, &described);
    return outs(cpu, &described);
}

/* EXITINFO2 is the RIP of the next instruction. */
static void handle_io(struct cpu *cpu, struct vmcb *vmcb)
{
    u64 info = vmcb->exit_info1;
    enum outs_status status = OUTS_DONE;

    if (info & IOIO_STRING)
        status = handle_string(cpu, vmcb);
    else
        exit_io(cpu, (u16)FIELD(info, 31, 16), (u32)FIELD(info, 6, 4), info & IOIO_IN);
    if (status == OUTS_REFUSED)
        svm_inject_gp(vmcb);
    if (status != OUTS_DONE)
        return;
    vmcb->nrip = vmcb->exit_info2;
    finish_instruction(cpu, 0);
    vmcb->nrip = 0;
}

static __attribute__((noinline)) void deliver_again(struct cpu *cpu)
{
    struct vmcb *vmcb = cpu_vmcb(cpu);
    u64 interrupted = svm_interrupted_event(vmcb->exit_int_info);

    if (vmcb->exit_code == VMEXIT_NPF && (vmcb->exit_info1 & NPF_PRESENT))
        stop(cpu, "an event was to be delivered on a stack in the APIC page");
    if (interrupted)
        vmcb->event_inj = interrupted;
}

/* First at an exit that no instruction of the guest's asked for. Only such a one can come while an
 * event is being delivered (APM 15.7.2): instructions are intercepted where they are executed
 * (15.9), after what VMRUN injects (15.20). So nothing of that is on the fast path. */
static inline void complete_event(struct cpu *cpu)
{
    if (unlikely(cpu_vmcb(cpu)->exit_int_info & EVENT_VALID))
        deliver_again(cpu);
}

static void handle_page_fault(struct cpu *cpu, struct vmcb *vmcb)
{
    u64 gpa;

    complete_event(cpu);
    gpa = vmcb->exit_info2;
    if (!(vmcb->exit_info1 & NPF_PRESENT)) {
        if (!exit_first_touch(cpu, gpa, vmcb->rip))
            stop(cpu, "access beyond what can be mapped");
        return;
    }
    if (ALIGN_DOWN(gpa, PAGE_SIZE) != hv.apic_base || !(vmcb->exit_info1 & NPF_WRITE))
        stop(cpu, "unexpected nested page fault");
    apic_page_write(cpu, gpa);
}

static void handle_invd(struct cpu *cpu, struct vmcb *vmcb)
{
    if (vmcb->cpl) {
        svm_inject_gp(vmcb);
        return;
    }
    exit_invd(cpu);
    finish_instruction(cpu, 2);
}

static void handle_vmmcall(struct cpu *cpu, struct vmcb *vmcb)
{
    if (exit_hypercall(cpu, vmcb->cpl))
        finish_instruction(cpu, 3);
    else
        svm_inject(vmcb, UD);
}

static void dispatch(struct cpu *cpu, struct vmcb *vmcb)
{
    switch (vmcb->exit_code) {
    case VMEXIT_CPUID:
        exit_cpuid(cpu, vmcb->cr4);
        finish_instruction(cpu, 2);
        return;
    case VMEXIT_MSR:
        if (vmcb->exit_info1)
            handle_wrmsr(cpu, vmcb);
        else
            handle_rdmsr(cpu, vmcb);
        return;
    case VMEXIT_NPF:
        handle_page_fault(cpu, vmcb);
        return;
    case VMEXIT_NMI:
        complete_event(cpu);
        svm_nmi_exit(cpu);
        return;
    case VMEXIT_SMI:
        cpu->exits[EXIT_SMI]++;
        complete_event(cpu);
        svm_smi_exit(cpu);
        return;
    case VMEXIT_INIT:
        complete_event(cpu);
        svm_init_exit(cpu);
        return;
    case VMEXIT_IOIO:
        handle_io(cpu, vmcb);
        return;
    case VMEXIT_RDPMC:
        exit_rdpmc(cpu);
        finish_instruction(cpu, 2);
        return;
    case VMEXIT_RDPRU: /* as where there is none (APM 3, RDPRU) */
        cpu->exits[EXIT_PMU_READ]++;
        svm_inject(vmcb, UD);
        return;
    case VMEXIT_INVD:
    case VMEXIT_WBINVD:
        handle_invd(cpu, vmcb);
        return;
    case VMEXIT_VMMCALL:
        handle_vmmcall(cpu, vmcb);
        return;
    case VMEXIT_VMRUN:
    case VMEXIT_VMLOAD:
    case VMEXIT_VMSAVE:
    case VMEXIT_STGI:
    case VMEXIT_CLGI:
    case VMEXIT_SKINIT:
    case VMEXIT_INVLPGA:
        cpu->exits[EXIT_VIRT_INSN]++;
        svm_inject(vmcb, UD);
        return;
    case VMEXIT_IRET:
        svm_iret_exit(cpu);
        return;
    case VMEXIT_EXCEPTION + DB:
        complete_event(cpu);
        svm_stepped(cpu);
        return;
    case VMEXIT_EXCEPTION + MC_VECTOR:
        complete_event(cpu);
        exit_machine_check(cpu);
        return;
    case VMEXIT_SHUTDOWN:
        exit_triple_fault(cpu, vmcb->cs.selector, vmcb->rip, vmcb->cr2, vmcb->cr3);
    default:
        cpu->exits[EXIT_OTHER]++;
        stop(cpu, "unexpected exit");
    }
}

static __attribute__((noinline, cold)) void trace(struct cpu *cpu, const struct vmcb *vmcb)
{
    keep_exit(cpu, &(struct kept_exit){.reason = (u32)vmcb->exit_code,
                                       .info = vmcb->exit_info1,
                                       .address = vmcb->exit_info2,
                                       .cs = vmcb->cs.selector,
                                       .rip = vmcb->rip});
}

void svm_slow_exit(struct cpu *cpu)
{
    struct vmcb *vmcb = cpu_vmcb(cpu);

    cpu->regs[RAX] = vmcb->rax;
    cpu->regs[RSP] = vmcb->rsp;
    if (unlikely(hv.trace))
        trace(cpu, vmcb);
    if (unlikely(cpu->pmu.core.attention))
        credit_begin_amd(cpu, vmcb->cpl != 0);
    else
        credit_nobody(cpu);
    dispatch(cpu, vmcb);
    console_tick(cpu);
    vmcb->rax = cpu->regs[RAX];
    vmcb->rsp = cpu->regs[RSP];
    if (unlikely(pmu.vmrun_branch))
        credit_vmrun(cpu);
}
