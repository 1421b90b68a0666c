#include "msr_access.h"
#include "apic.h"
#include "asm.h"
#include "hv.h"
#include "msr.h"
#include "pmu/pmu.h"
#include "startup.h"

bool icr_write(struct cpu *cpu, u64 value)
{
    if (!icr_is_startup((u32)value)) { /* with TF set, or it will fault: else fast.c has done it */
        cpu->exits[EXIT_IPI]++;
        return wrmsr_safe(IA32_X2APIC_ICR, value);
    }
    cpu->exits[EXIT_START]++;
    if (!(rdmsr(IA32_APIC_BASE) & APIC_BASE_EXTD))
        return false; /* x2APIC MSRs fault in the other modes (APM 16.11.1, SDM 11.12.2) */
    startup_ipi(cpu, (u32)value, (u32)(value >> 32), true);
    return true;
}

static bool exists(u32 msr)
{
    u64 value;

    return rdmsr_safe(msr, &value);
}

/* Without a search of the table: perf writes selectors often, and reads them on some processors. */
static bool is_selector(u32 msr)
{
    return pmu.mode == PMU_FILTERED &&
           (hv.msr.vendor == CPU_AMD ? pmu_amd_counter(msr) : pmu_intel_counter(msr)) >= 0;
}

bool msr_read(struct cpu *cpu, u32 msr, u64 *value)
{
    enum msr_action action = is_selector(msr) ? MSR_TRAP : msr_judge(&hv.msr, msr).read;

    if (action == MSR_TRAP)
        return hv.msr.vendor == CPU_AMD ? amd_read_trapped(cpu, msr, value)
                                        : intel_read_trapped(cpu, msr, value);
    cpu->exits[EXIT_MSR_READ]++;
    *value = 0;
    return action == MSR_IGNORE ? exists(msr) : action == MSR_PASS && rdmsr_safe(msr, value);
}

bool msr_write(struct cpu *cpu, u32 msr, u64 value)
{
    enum msr_action action = is_selector(msr) ? MSR_TRAP : msr_judge(&hv.msr, msr).write;

    if (action == MSR_TRAP)
        return hv.msr.vendor == CPU_AMD ? amd_write_trapped(cpu, msr, value)
                                        : intel_write_trapped(cpu, msr, value);
    cpu->exits[EXIT_MSR_WRITE]++;
    return action == MSR_IGNORE ? exists(msr) : action == MSR_PASS && wrmsr_safe(msr, value);
}
