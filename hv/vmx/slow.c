/* Every other exit. All registers are in struct cpu while this runs. */
#include "exits/apic_page.h"
#include "base/asm.h"
#include "console/console.h"
#include "exits/exits.h"
#include "guest.h"
#include "host/keep.h"
#include "host/machine_check.h"
#include "hv.h"
#include "serial/log.h"
#include "base/msr.h"
#include "exits/msr_access.h"
#include "ports/outs.h"
#include "counters/credit.h"
#include "counters/pmu.h"
#include "vmx/vmx.h"

enum { UD = 6 };

/* Where CPUID leaves EAX, EBX, ECX, EDX. */
static const u8 cpuid_order[] = {RAX, RBX, RCX, RDX};

static __attribute__((noreturn)) void stop(struct cpu *cpu, const char *what)
{
    log_line("panic: core %u: %s: exit %x, qualification %x, address %x", (u64)cpu->index, what,
             vmread(VMCS_EXIT_REASON), vmread(VMCS_QUALIFICATION), vmread(VMCS_GUEST_PHYSICAL));
    log_line("panic:   guest cs:rip %x:%x rsp %x rflags %x", vmread(VMCS_GUEST_ES + 2 * SEG_CS),
             vmread(VMCS_GUEST_RIP), vmread(VMCS_GUEST_RSP), vmread(VMCS_GUEST_RFLAGS));
    log_line("panic:   cr0 %x cr2 %x cr3 %x cr4 %x efer %x", vmread(VMCS_GUEST_CR0), read_cr2(),
             vmread(VMCS_GUEST_CR3), vmread(VMCS_GUEST_CR4), vmread(VMCS_GUEST_EFER));
    log_line("panic:   controls %x %x %x %x %x", vmread(VMCS_PIN_CONTROLS),
             vmread(VMCS_PRIMARY_CONTROLS), vmread(VMCS_SECONDARY_CONTROLS),
             vmread(VMCS_EXIT_CONTROLS), vmread(VMCS_ENTRY_CONTROLS));
    log_line("panic:   event %x interruptibility %x activity %x", vmread(VMCS_ENTRY_EVENT),
             vmread(VMCS_INTERRUPTIBILITY), vmread(VMCS_ACTIVITY));
    exit_unexpected(cpu);
}

/* SDM 31.4 */
void vmx_entry_failed(struct cpu *cpu)
{
    u64 error = vmread(VMCS_INSTRUCTION_ERROR);

    guest_refused(cpu);
    log_line("panic: VM-instruction error %u%s", error,
             error == 7   ? ": invalid control field"
             : error == 8 ? ": invalid host state"
             : error == 4 ? ": VMRESUME has failed, by a control or host field"
                          : "");
    stop(cpu, "the guest cannot be entered");
}

static __attribute__((noreturn)) void stop_failed_entry(struct cpu *cpu, u64 reason)
{
    guest_refused(cpu);
    switch (VMX_EXIT_BASIC(reason)) {
    case VMX_EXIT_ENTRY_GUEST:
        stop(cpu, "entry failed: invalid guest state");
    case VMX_EXIT_ENTRY_MSR:
        stop(cpu, "entry failed: MSR loading");
    }
    stop(cpu, "entry failed");
}

/* After an emulated instruction that ends at 4 GiB outside 64-bit mode RIP must go on at 0, or the
 * entry is refused (27.3.1.4). Any user can do that; nobody else does, so it is mended here and
 * costs the exits nothing. What such an entry would have delivered is still in its field (27.8). */
static bool wrap_rip(void)
{
    u64 rip = vmread(VMCS_GUEST_RIP);
    bool long_code = (vmread(VMCS_ENTRY_CONTROLS) & ENTRYCTL_LONG) &&
                     (vmread(VMCS_GUEST_ES_RIGHTS + 2 * SEG_CS) & RIGHTS_LONG);

    if (long_code || !(rip >> 32))
        return false;
    vmwrite(VMCS_GUEST_RIP, (u32)rip);
    return true;
}

static void credit(struct cpu *cpu)
{
    u64 wrapped = credit_finish_intel(cpu);

    if (unlikely(wrapped))
        credit_overflow_intel(cpu, wrapped, vmread(VMCS_GUEST_DEBUGCTL));
}

/* What the processor does after an instruction: it counts it, ends RF, and traps if TF is set
 * (18.3.1; with BTF only branches trap). The instruction was emulated, so nothing of that happens
 * by itself. */
void vmx_instruction_done(struct cpu *cpu)
{
    u64 rflags = vmread(VMCS_GUEST_RFLAGS);

    if (credit_is_due(cpu))
        credit(cpu);
    if (rflags & RFLAGS_RF)
        vmwrite(VMCS_GUEST_RFLAGS, rflags & ~RFLAGS_RF);
    if ((rflags & RFLAGS_TF) && !(vmread(VMCS_GUEST_DEBUGCTL) & DEBUGCTL_BTF))
        vmwrite(VMCS_PENDING_DEBUG, vmread(VMCS_PENDING_DEBUG) | PENDING_DEBUG_BS);
}

static void finish_instruction(struct cpu *cpu)
{
    vmx_advance();
    vmx_instruction_done(cpu);
}

static void handle_cpuid(struct cpu *cpu)
{
    u32 leaf = (u32)cpu->regs[RAX], subleaf = (u32)cpu->regs[RCX], out[4];

    exit_cpuid(cpu, vmx_read_cr4());
    for (u32 i = 0; i < 4; i++)
        out[i] = (u32)cpu->regs[cpuid_order[i]];
    vmx_hide(&vmx.hidden, leaf, subleaf, out);
    for (u32 i = 0; i < 4; i++)
        cpu->regs[cpuid_order[i]] = out[i];
    finish_instruction(cpu);
}

static void handle_rdmsr(struct cpu *cpu)
{
    u64 value;

    if (!msr_read(cpu, (u32)cpu->regs[RCX], &value)) {
        vmx_inject_gp();
        return;
    }
    exit_msr_result(cpu, value);
    finish_instruction(cpu);
}

static void handle_wrmsr(struct cpu *cpu)
{
    if (vmx_msr_write(cpu, (u32)cpu->regs[RCX], exit_msr_value(cpu)))
        finish_instruction(cpu);
    else
        vmx_inject_gp();
}

static u32 cpl(void)
{
    return (u32)RIGHTS_DPL(vmread(VMCS_GUEST_ES_RIGHTS + 2 * SEG_SS));
}

/* Of an I/O exit's qualification, table 28-5. */
#define IO_IN     BIT(3)
#define IO_STRING BIT(4)
#define IO_REPEAT BIT(5)

/* The address size is in the instruction information (table 28-8). */
static enum outs_status handle_string(struct cpu *cpu, u64 info)
{
    static const u64 masks[4] = {0xffff, 0xffffffff, ~0ULL, ~0ULL};
    struct outs described = {.linear = vmread(VMCS_GUEST_LINEAR),
                             .mask = masks[FIELD(vmread(VMCS_INSTRUCTION_INFO), 8, 7)],
                             .port = (u16)FIELD(info, 31, 16),
                             .size = (u8)(FIELD(info, 2, 0) + 1),
                             .repeat = info & IO_REPEAT};

    if ((info & IO_IN) || cpl() || !(rdmsr(IA32_VMX_BASIC) & VMX_BASIC_STRING_IO_INFO))
        return OUTS_REFUSED;
    return outs(cpu, &described);
}

static void handle_io(struct cpu *cpu)
{
    u64 info = vmread(VMCS_QUALIFICATION);
    enum outs_status status = OUTS_DONE;

    if (info & IO_STRING)
        status = handle_string(cpu, info);
    else
        exit_io(cpu, (u16)FIELD(info, 31, 16), (u32)FIELD(info, 2, 0) + 1, info & IO_IN);
    if (status == OUTS_REFUSED)
        vmx_inject_gp();
    if (status == OUTS_DONE)
        finish_instruction(cpu);
}

/* An IRET that unblocked NMIs before it faulted will run again, and they are still blocked till
 * then (28.2.1). */
static void block_nmi_again(u64 qualification)
{
    if ((qualification & EPT_VIOLATION_IRET) && !(vmread(VMCS_VECTORING_EVENT) & EVENT_VALID))
        vmwrite(VMCS_INTERRUPTIBILITY, vmread(VMCS_INTERRUPTIBILITY) | BLOCKED_BY_NMI);
}

/* Of a record, for which no instruction can be emulated and no guest be blamed but its own. */
static void handle_lost_record(struct cpu *cpu, u64 gpa, bool present)
{
    if (present || !exit_first_touch(cpu, gpa, vmread(VMCS_GUEST_RIP)))
        vmx_pebs_stop(cpu);
}

static void handle_ept_violation(struct cpu *cpu)
{
    u64 qualification = vmread(VMCS_QUALIFICATION), gpa = vmread(VMCS_GUEST_PHYSICAL);

    block_nmi_again(qualification);
    if (qualification & EPT_VIOLATION_ASYNC) {
        handle_lost_record(cpu, gpa, qualification & EPT_VIOLATION_PRESENT);
        return;
    }
    if (!(qualification & EPT_VIOLATION_PRESENT)) {
        if (!exit_first_touch(cpu, gpa, vmread(VMCS_GUEST_RIP)))
            stop(cpu, "access beyond what can be mapped");
        return;
    }
    if (ALIGN_DOWN(gpa, PAGE_SIZE) != hv.apic_base || !(qualification & EPT_VIOLATION_WRITE))
        stop(cpu, "unexpected EPT violation");
    if (vmread(VMCS_VECTORING_EVENT) & EVENT_VALID)
        stop(cpu, "an event was to be delivered on a stack in the APIC page");
    apic_page_write(cpu, gpa);
}

static void handle_vmcall(struct cpu *cpu)
{
    if (exit_hypercall(cpu, cpl()))
        finish_instruction(cpu);
    else
        vmx_inject_fault(UD);
}

/* The processor judges the value. */
static void handle_xsetbv(struct cpu *cpu)
{
    cpu->exits[EXIT_XSETBV]++;
    if (xsetbv_safe((u32)cpu->regs[RCX], exit_msr_value(cpu)))
        finish_instruction(cpu);
    else
        vmx_inject_gp();
}

static void handle_invd(struct cpu *cpu)
{
    exit_invd(cpu);
    finish_instruction(cpu);
}

/* Faults for CPL come before exits (26.1.2): Bochs has XSETBV exit first, and the SDM does not name
 * it. RDMSR and WRMSR, which it does name and which are frequent, are not asked again. */
static void privileged(struct cpu *cpu, void (*handle)(struct cpu *cpu))
{
    if (cpl())
        vmx_inject_gp();
    else
        handle(cpu);
}

/* Instructions that a guest does not have; most exit whatever the controls say. */
static void handle_virt_insn(struct cpu *cpu)
{
    cpu->exits[EXIT_VIRT_INSN]++;
    vmx_inject_fault(UD);
}

/* What was wrong with the entry does not come again by itself, or has been put right: it is tried
 * again. A machine check during an entry is delivered to nobody (27.9). */
static void handle_failed_entry(struct cpu *cpu, u64 reason)
{
    if (reason == (VMX_EXIT_FAILED_ENTRY | VMX_EXIT_ENTRY_MCE)) {
        machine_check_in_host(cpu);
        return;
    }
    if (reason != (VMX_EXIT_FAILED_ENTRY | VMX_EXIT_ENTRY_GUEST) || !wrap_rip())
        stop_failed_entry(cpu, reason);
}

/* What no instruction of the guest's asked for. */
static void dispatch_event(struct cpu *cpu, u64 reason)
{
    switch (reason) {
    case VMX_EXIT_EXCEPTION_NMI:
        if (EVENT_VECTOR(vmread(VMCS_EXIT_EVENT)) != MC_VECTOR)
            stop(cpu, "unexpected exception");
        exit_machine_check(cpu);
        return;
    case VMX_EXIT_INIT:
        vmx_init_exit(cpu);
        return;
    case VMX_EXIT_PREEMPTION_TIMER: /* nothing was held */
        cpu->vmx.absorbing = false;
        cpu->exits[EXIT_STEP]++;
        return;
    case VMX_EXIT_MTF:
        cpu->exits[EXIT_STEP]++;
        return;
    case VMX_EXIT_TRIPLE_FAULT:
        exit_triple_fault(cpu, vmread(VMCS_GUEST_ES + 2 * SEG_CS), vmread(VMCS_GUEST_RIP),
                          read_cr2(), vmread(VMCS_GUEST_CR3));
    case VMX_EXIT_TASK_SWITCH:
        stop(cpu, "a hardware task switch, which VT-x leaves to software and Cede does not do");
    case VMX_EXIT_EPT_MISCONFIG:
        stop(cpu, "EPT misconfiguration");
    default:
        cpu->exits[EXIT_OTHER]++;
        stop(cpu, "unexpected exit");
    }
}

static void dispatch(struct cpu *cpu, u64 reason)
{
    switch (reason) {
    case VMX_EXIT_CPUID:
        handle_cpuid(cpu);
        return;
    case VMX_EXIT_RDMSR:
        handle_rdmsr(cpu);
        return;
    case VMX_EXIT_WRMSR:
        handle_wrmsr(cpu);
        return;
    case VMX_EXIT_RDPMC:
        exit_rdpmc(cpu);
        finish_instruction(cpu);
        return;
    case VMX_EXIT_EPT_VIOLATION:
        handle_ept_violation(cpu);
        return;
    case VMX_EXIT_IO:
        handle_io(cpu);
        return;
    case VMX_EXIT_CR_ACCESS:
        privileged(cpu, vmx_cr_exit);
        return;
    case VMX_EXIT_XSETBV:
        privileged(cpu, handle_xsetbv);
        return;
    case VMX_EXIT_INVD:
    case VMX_EXIT_WBINVD:
        privileged(cpu, handle_invd);
        return;
    case VMX_EXIT_VMCALL:
        handle_vmcall(cpu);
        return;
    case VMX_EXIT_VMCLEAR:
    case VMX_EXIT_VMLAUNCH:
    case VMX_EXIT_VMPTRLD:
    case VMX_EXIT_VMPTRST:
    case VMX_EXIT_VMREAD:
    case VMX_EXIT_VMRESUME:
    case VMX_EXIT_VMWRITE:
    case VMX_EXIT_VMXOFF:
    case VMX_EXIT_VMXON:
    case VMX_EXIT_GETSEC:
    case VMX_EXIT_INVEPT:
    case VMX_EXIT_INVVPID:
    case VMX_EXIT_VMFUNC:
    case VMX_EXIT_ENCLS:
    case VMX_EXIT_SEAMCALL:
    case VMX_EXIT_TDCALL:
    case VMX_EXIT_RDMSRLIST:
    case VMX_EXIT_WRMSRLIST:
    case VMX_EXIT_RDMSR_IMM:
    case VMX_EXIT_WRMSRNS_IMM:
        handle_virt_insn(cpu);
        return;
    default:
        if (reason & VMX_EXIT_FAILED_ENTRY)
            handle_failed_entry(cpu, reason);
        else
            dispatch_event(cpu, reason);
    }
}

static void note_credit(struct cpu *cpu)
{
    u64 global_ctrl = vmx_global_ctrl(cpu);

    if (unlikely(pmu_intel_may_credit(&cpu->pmu.intel, global_ctrl)))
        credit_begin_intel(cpu, cpl() != 0, global_ctrl);
    else
        credit_nobody(cpu);
}

static __attribute__((noinline, cold)) void trace(struct cpu *cpu)
{
    keep_exit(cpu, &(struct kept_exit){.reason = cpu->vmx.reason,
                                       .info = vmread(VMCS_QUALIFICATION),
                                       .address = vmread(VMCS_GUEST_PHYSICAL),
                                       .cs = (u32)vmread(VMCS_GUEST_ES + 2 * SEG_CS),
                                       .rip = vmread(VMCS_GUEST_RIP)});
}

/* CR2 is resident, and a fix-up (hv/host/exception.c) overwrites it. */
void vmx_slow_exit(struct cpu *cpu)
{
    u64 rsp = vmread(VMCS_GUEST_RSP), cr2 = read_cr2();

    cpu->regs[RSP] = rsp;
    vmx_after_exit(cpu);
    note_credit(cpu);
    cpu->vmx.reason = (u32)vmread(VMCS_EXIT_REASON);
    if (unlikely(hv.trace))
        trace(cpu);
    dispatch(cpu, cpu->vmx.reason);
    console_tick(cpu);
    if (cpu->regs[RSP] != rsp)
        vmwrite(VMCS_GUEST_RSP, cpu->regs[RSP]);
    if (read_cr2() != cr2)
        write_cr2(cr2);
    vmx_before_entry(cpu);
}
