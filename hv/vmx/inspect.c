/* What the console shows of a core's guest. Only the core itself can read its VMCS while it is
 * current there (SDM 25.1): it takes a note when it is stopped. */
#include "base/asm.h"
#include "vendor.h"
#include "vmx/vmx.h"

/* The last that took the slow path: a CPUID or a selector write after it has left no trace. */
const char *vmx_last_exit(struct cpu *cpu)
{
    switch (VMX_EXIT_BASIC(cpu->vmx.reason)) {
    case VMX_EXIT_CPUID:
        return "cpuid";
    case VMX_EXIT_RDMSR:
        return "rdmsr";
    case VMX_EXIT_WRMSR:
        return "wrmsr";
    case VMX_EXIT_EPT_VIOLATION:
        return "ept violation";
    case VMX_EXIT_IO:
        return "in or out";
    case VMX_EXIT_CR_ACCESS:
        return "mov to cr";
    case VMX_EXIT_XSETBV:
        return "xsetbv";
    case VMX_EXIT_VMCALL:
        return "vmcall";
    case VMX_EXIT_INIT:
        return "init";
    case VMX_EXIT_PREEMPTION_TIMER:
    case VMX_EXIT_MTF:
        return "step";
    default:
        return "other";
    }
}

void vmx_note_state(struct cpu *cpu)
{
    cpu->noted = (struct guest_state){
        .cs = vmread(VMCS_GUEST_ES + 2 * SEG_CS),
        .rip = vmread(VMCS_GUEST_RIP),
        .rflags = vmread(VMCS_GUEST_RFLAGS),
        .rax = cpu->regs[RAX],
        .rsp = vmread(VMCS_GUEST_RSP),
        .cr0 = vmread(VMCS_GUEST_CR0),
        .cr2 = read_cr2(),
        .cr3 = vmread(VMCS_GUEST_CR3),
        .cr4 = vmx_read_cr4(),
        .efer = vmread(VMCS_GUEST_EFER),
        .cpl = RIGHTS_DPL(vmread(VMCS_GUEST_ES_RIGHTS + 2 * SEG_SS)),
    };
}

bool vmx_guest_state(struct cpu *cpu, struct guest_state *state)
{
    if (cpu == this_cpu())
        vmx_note_state(cpu);
    *state = cpu->noted;
    return true;
}
