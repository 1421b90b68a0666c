/* The guest's branch records. Where they are granted the VMCB holds them while the guest is out,
 * and the processor's own are the hypervisor's, which has none: DebugCtl and DebugExtnCfg are 0
 * there, so that nothing of it is recorded. What #VMEXIT leaves in the registers of the stack is
 * the guest's own, and VMRUN loads them (APM 15.23.1). Else DebugCtl is shared, without its LBR
 * bit. */
#include "base/asm.h"
#include "base/msr.h"
#include "counters/pmu.h"
#include "guest.h"
#include "svm/svm.h"

static bool are_in_vmcb(const struct vmcb *vmcb)
{
    return vmcb->virtualization & VIRTUALIZE_LBR;
}

void svm_forget_branches(struct vmcb *vmcb)
{
    vmcb->dbgctl = vmcb->dbg_extn_cfg = vmcb->lbr_select = 0;
    vmcb->br_from = vmcb->br_to = vmcb->last_excp_from = vmcb->last_excp_to = 0;
    for (u32 i = 0; i < 2 * LBR_STACK; i++)
        vmcb->lbr_stack[i] = 0;
    vmcb->clean &= ~(u32)CLEAN_LBR;
}

u64 svm_guest_debugctl(struct cpu *cpu)
{
    const struct vmcb *vmcb = cpu_vmcb(cpu);

    return are_in_vmcb(vmcb) ? vmcb->dbgctl : rdmsr(IA32_DEBUGCTL);
}

/* Without need nothing is written: KVM complains of every write. */
static void set_debugctl(u64 value)
{
    if (rdmsr(IA32_DEBUGCTL) != value)
        wrmsr(IA32_DEBUGCTL, value);
}

void svm_set_lbr(struct cpu *cpu)
{
    struct vmcb *vmcb = cpu_vmcb(cpu);
    bool granted = feature_granted(cpu->guest->msr.granted, FEATURE_LBR);
    u64 debugctl;

    if (granted == are_in_vmcb(vmcb))
        return;
    debugctl = svm_guest_debugctl(cpu) & ~DEBUGCTL_LBR;
    svm_forget_branches(vmcb);
    if (granted && pmu.amd.lbr_stack)
        wrmsr(MSR_DBG_EXTN_CFG, 0);
    vmcb->dbgctl = granted ? debugctl : 0;
    set_debugctl(granted ? 0 : debugctl);
    vmcb->virtualization ^= VIRTUALIZE_LBR;
}
