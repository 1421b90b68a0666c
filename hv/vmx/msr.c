/* MSRs whose value is the VMCS's while the hypervisor runs, or whose writes have effects beyond the
 * processor. All others are the same on both vendors' machines (hv/exits/msr_access.c). */
#include "base/asm.h"
#include "guest.h"
#include "memory/memory.h"
#include "base/msr.h"
#include "exits/msr_access.h"
#include "counters/pmu.h"
#include "vmx/vmx.h"

static bool is_mtrr(u32 msr)
{
    return msr - IA32_MTRR_PHYSBASE0 < 2 * 16 || msr == 0x250 || msr - 0x258 < 2 ||
           msr - 0x268 < 8 || msr == IA32_MTRR_DEF_TYPE;
}

/* The processor's own MTRRs are the guest's, and judge the value; the guest's memory gets its types
 * from the EPT, which follows once they are enabled. Each core that does so sees the new types from
 * its own write on, as with MTRRs. While they are disabled the SDM has caches off by CR0.CD
 * (12.11.8), which acts as on bare metal. */
static bool mtrr_write(u32 msr, u64 value)
{
    if (!wrmsr_safe(msr, value))
        return false;
    if (rdmsr(IA32_MTRR_DEF_TYPE) & BIT(11)) {
        memory_types_update(EPT_TYPE);
        vmx_flush_ept();
    }
    return true;
}

/* The exit has cleared the register and the entry will load it. The processor judges the value, but
 * for LBR: not even for a moment may the stack that is the guest's record what is done here. */
static bool debugctl_write(const struct cpu *cpu, u64 value)
{
    value = pmu_intel_debugctl(vmx_debugctl_grants(cpu), value);
    if (!wrmsr_safe(IA32_DEBUGCTL, value & ~DEBUGCTL_LBR))
        return false;
    wrmsr(IA32_DEBUGCTL, 0);
    vmwrite(VMCS_GUEST_DEBUGCTL, value);
    return true;
}

bool vmx_msr_write(struct cpu *cpu, u32 msr, u64 value)
{
    bool mtrr = is_mtrr(msr), machines = mtrr || msr == IA32_BIOS_UPDT_TRIG;

    if (vmx_is_pebs(cpu, msr))
        return vmx_pebs_write(cpu, msr, value);
    if (machines ? is_partition(cpu->guest) : msr != IA32_DEBUGCTL)
        return msr_write(cpu, msr, value);
    cpu->exits[EXIT_MSR_WRITE]++;
    if (msr == IA32_BIOS_UPDT_TRIG)
        return vmx_load_microcode(cpu, value);
    return mtrr ? mtrr_write(msr, value) : debugctl_write(cpu, value);
}
