/* Precise samples (SDM 20.9.5, "EPT-friendly PEBS"). PEBS_ENABLE must be 0 in the host, or a record
 * that is late would be written by the host's page tables: the exit loads 0 and the entry the
 * guest's, by MSR lists. The lists are in use only while the guest's is not 0. For that its writes
 * exit, which Linux does twice each time it schedules a precise event; with the lists in use all
 * the time instead each exit would load two MSRs and store one, whoever samples.
 *
 * Records go to guest-linear addresses. A page fault is the guest's. An EPT violation is
 * asynchronous to what executes (table 28-7, bit 16): where nothing can be mapped, samples stop. */
#include "base/asm.h"
#include "guest.h"
#include "msr/msr_table.h"
#include "pmu/intel.h"
#include "vmx/vmx.h"

void vmx_write_lists(struct cpu *cpu)
{
    struct vmx_cpu *own = &cpu->vmx;
    bool global = vmx.global_ctrl && vmx.global_list, pebs = own->guest_pebs.value;

    own->guest_global.msr = own->host_global.msr = IA32_PERF_GLOBAL_CTRL;
    own->guest_pebs.msr = own->host_pebs.msr = IA32_PEBS_ENABLE;
    vmwrite(VMCS_EXIT_MSR_STORE, (u64)&own->guest_global);
    vmwrite(VMCS_ENTRY_MSR_LOAD, (u64)(pebs ? &own->guest_pebs : &own->guest_global));
    vmwrite(VMCS_EXIT_MSR_LOAD, (u64)(pebs && !global ? &own->host_pebs : &own->host_global));
    vmwrite(VMCS_EXIT_MSR_STORE_COUNT, global);
    vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, (u64)global + pebs);
    vmwrite(VMCS_EXIT_MSR_LOAD_COUNT, (u64)global + pebs);
}

static void set_enable(struct cpu *cpu, u64 value)
{
    bool before = cpu->vmx.guest_pebs.value;

    cpu->vmx.guest_pebs.value = value;
    if (before != (bool)value)
        vmx_write_lists(cpu);
}

void vmx_pebs_stop(struct cpu *cpu)
{
    set_enable(cpu, 0);
}

/* The processor judges the value too. */
static bool enable_write(struct cpu *cpu, u64 value)
{
    if (!pmu_intel_pebs_enable(&cpu->pmu.intel.caps, value) || !wrmsr_safe(IA32_PEBS_ENABLE, value))
        return false;
    wrmsr(IA32_PEBS_ENABLE, 0);
    set_enable(cpu, feature_granted(cpu->guest->msr.granted, FEATURE_PEBS) ? value : 0);
    return true;
}

bool vmx_is_pebs(const struct cpu *cpu, u32 msr)
{
    return (msr == IA32_PEBS_ENABLE || msr == MSR_PEBS_DATA_CFG || msr == IA32_DS_AREA) &&
           msr_judge(&cpu->guest->msr, msr).write == MSR_TRAP;
}

bool vmx_pebs_write(struct cpu *cpu, u32 msr, u64 value)
{
    cpu->exits[EXIT_PMU_WRITE]++;
    if (msr == IA32_PEBS_ENABLE)
        return enable_write(cpu, value);
    if (msr == MSR_PEBS_DATA_CFG)
        value = pmu_intel_pebs_data(cpu->guest->msr.granted, value);
    return wrmsr_safe(msr, value);
}

void vmx_pebs_follow(struct cpu *cpu)
{
    u32 granted = cpu->guest->msr.granted;
    u64 data;

    if (!feature_granted(granted, FEATURE_PEBS))
        vmx_pebs_stop(cpu);
    else if (rdmsr_safe(MSR_PEBS_DATA_CFG, &data))
        wrmsr_safe(MSR_PEBS_DATA_CFG, pmu_intel_pebs_data(granted, data));
}
