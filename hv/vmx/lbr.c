/* Branch records: what the VMCS has of them. DEBUGCTL is there in any case, and an exit clears it;
 * architectural ones have IA32_LBR_CTL besides, which is loaded and cleared only for a guest that
 * has the grant: without it the register is 0 and cannot be written. An exit saves it whatever the
 * controls (SDM 28.3.1). */
#include "base/feature.h"
#include "base/msr.h"
#include "guest.h"
#include "vmx/vmx.h"

/* Beside IA32_LBR_CTL, DEBUGCTL.LBR means nothing, and might make an entry fail. */
u32 vmx_debugctl_grants(const struct cpu *cpu)
{
    return vmx.lbr_ctl ? cpu->guest->msr.granted & ~(u32)BIT(FEATURE_LBR) : cpu->guest->msr.granted;
}

static bool granted(const struct cpu *cpu)
{
    return feature_granted(cpu->guest->msr.granted, FEATURE_LBR);
}

struct vmx_lbr_controls vmx_lbr_controls(const struct cpu *cpu)
{
    if (!vmx.lbr_ctl || !granted(cpu))
        return (struct vmx_lbr_controls){0, 0};
    return (struct vmx_lbr_controls){EXITCTL_CLEAR_LBR, ENTRYCTL_LOAD_LBR};
}

void vmx_lbr_reset(void)
{
    if (vmx.lbr_ctl)
        vmwrite(VMCS_GUEST_LBR_CTL, 0);
}

/* A grant that came or went while the guest ran. Once set, the controls may stay until its next
 * life: what they load is 0. */
void vmx_lbr_follow(struct cpu *cpu)
{
    struct vmx_lbr_controls controls = vmx_lbr_controls(cpu);

    vmwrite(VMCS_GUEST_DEBUGCTL,
            pmu_intel_debugctl(vmx_debugctl_grants(cpu), vmread(VMCS_GUEST_DEBUGCTL)));
    if (!granted(cpu))
        vmx_lbr_reset();
    if (!controls.entry)
        return;
    vmwrite(VMCS_EXIT_CONTROLS, vmread(VMCS_EXIT_CONTROLS) | controls.exit);
    vmwrite(VMCS_ENTRY_CONTROLS, vmread(VMCS_ENTRY_CONTROLS) | controls.entry);
}
