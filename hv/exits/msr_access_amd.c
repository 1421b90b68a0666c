#include "exits/apic_page.h"
#include "base/asm.h"
#include "base/msr.h"
#include "guest.h"
#include "exits/msr_access.h"
#include "counters/pmu.h"

/* The guest reads what it wrote, not what the filter made of it; where the processor has no such
 * selector, #GP. */
static bool selector_read(struct cpu *cpu, u32 msr, u32 counter, u64 *value)
{
    cpu->exits[EXIT_PMU_READ]++;
    if (!rdmsr_safe(msr, value))
        return false;
    *value = pmu_amd_read(&cpu->pmu.amd, cpu->pmu.core.mode, counter);
    return true;
}

static bool selector_write(struct cpu *cpu, u32 msr, u32 counter, u64 value)
{
    u64 hardware = pmu_amd_hardware_value(cpu->pmu.core.filter, value), kept = 0;

    cpu->exits[EXIT_PMU_WRITE]++;
    if (!wrmsr_safe(msr, hardware))
        return false;
    if (pmu_amd_has_reserved(value) && rdmsr_safe(msr, &kept))
        value = pmu_amd_merge_reserved(value, kept);
    if (pmu_amd_commit(&cpu->pmu.amd, counter, value, hardware))
        pmu_note_denial(cpu, 0, value);
    return true;
}

#define HWCR_CPUID_USER_DIS BIT(35)

/* SMMLOCK stays as the firmware left it, IRPerfEn unless IRPerf is the guest's, and what makes
 * CPUID fault at CPL 3: its intercept is said to have no exception before it (APM table 15-7). */
static bool hwcr_write(const struct cpu *cpu, u64 value)
{
    bool irperf = feature_granted(cpu->guest->msr.granted, FEATURE_IRPERF);
    u64 kept = HWCR_SMMLOCK | HWCR_CPUID_USER_DIS | (irperf ? 0 : HWCR_IRPERF_EN);

    return wrmsr_safe(MSR_HWCR, (value & ~kept) | (rdmsr(MSR_HWCR) & kept));
}

bool amd_read_trapped(struct cpu *cpu, u32 msr, u64 *value)
{
    int counter = pmu_amd_counter(msr);

    if (counter >= 0)
        return selector_read(cpu, msr, (u32)counter, value);
    /* As on a processor whose firmware has switched SVM off for good (APM 15.30.1). */
    cpu->exits[EXIT_MSR_READ]++;
    *value = VM_CR_SVMDIS | VM_CR_LOCK;
    return msr == MSR_VM_CR;
}

bool amd_write_trapped(struct cpu *cpu, u32 msr, u64 value)
{
    int counter = pmu_amd_counter(msr);

    if (counter >= 0)
        return selector_write(cpu, msr, (u32)counter, value);
    if (msr == IA32_X2APIC_ICR)
        return icr_write(cpu, value);
    cpu->exits[EXIT_MSR_WRITE]++;
    switch (msr) {
    case IA32_APIC_BASE:
        return apic_base_write(cpu, value);
    case IA32_DEBUGCTL:
        return wrmsr_safe(msr, pmu_amd_debugctl(cpu->guest->msr.granted, value));
    case MSR_HWCR:
        return hwcr_write(cpu, value);
    case MSR_VM_CR:
        return true;
    }
    return false;
}
