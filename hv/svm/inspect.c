/* What the console shows of a core's guest. The processor writes the VMCB at each exit, so any core
 * may look; the general registers are there while the guest is out. */
#include "cpu.h"
#include "base/msr.h"
#include "svm/svm.h"
#include "vendor.h"

const char *svm_last_exit(struct cpu *cpu)
{
    switch (cpu_vmcb(cpu)->exit_code) {
    case VMEXIT_CPUID:
        return "cpuid";
    case VMEXIT_MSR:
        return cpu_vmcb(cpu)->exit_info1 ? "wrmsr" : "rdmsr";
    case VMEXIT_NPF:
        return "nested page fault";
    case VMEXIT_IOIO:
        return cpu_vmcb(cpu)->exit_info1 & BIT(0) ? "in" : "out";
    case VMEXIT_VMMCALL:
        return "vmmcall";
    case VMEXIT_INIT:
        return "init";
    case VMEXIT_NMI:
        return "nmi";
    case VMEXIT_SMI:
        return "smi";
    case VMEXIT_INVD:
        return "invd";
    case VMEXIT_SHUTDOWN:
        return "shutdown";
    default:
        return "other";
    }
}

bool svm_guest_state(struct cpu *cpu, struct guest_state *state)
{
    const struct vmcb *vmcb = cpu_vmcb(cpu);

    *state = (struct guest_state){
        .cs = vmcb->cs.selector,
        .rip = vmcb->rip,
        .rflags = vmcb->rflags,
        .rax = vmcb->rax,
        .rsp = vmcb->rsp,
        .cr0 = vmcb->cr0,
        .cr2 = vmcb->cr2,
        .cr3 = vmcb->cr3,
        .cr4 = vmcb->cr4,
        .efer = vmcb->efer & ~EFER_SVME,
        .cpl = vmcb->cpl,
    };
    return true;
}
