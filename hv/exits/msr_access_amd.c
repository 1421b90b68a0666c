#include "exits/apic_page.h"
#include "base/asm.h"
#include "base/msr.h"
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

#define HWCR_CPUID_USER_DIS BIT(35)

/* SMMLOCK stays as the firmware left it, and so does what makes CPUID fault at CPL 3: CPUID's
 * intercept is said to have no exception before it (APM table 15-7). */
static bool hwcr_write(u64 value)
{
    const u64 kept = HWCR_SMMLOCK | HWCR_CPUID_USER_DIS;

    return wrmsr_safe(MSR_HWCR, (value & ~kept) | (rdmsr(MSR_HWCR) & kept));
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
    case MSR_HWCR:
        return hwcr_write(value);
    case MSR_VM_CR:
        return true;
    }
    return false;
}
