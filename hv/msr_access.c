#include "msr_access.h"
#include "apic.h"
#include "asm.h"
#include "hv.h"
#include "msr.h"
#include "pmu/pmu.h"
#include "startup.h"

/* The guest reads what it wrote, not what the filter made of it; where the processor has no such
 * selector, #GP. */
static bool selector_read(struct cpu *cpu, u32 msr, u32 counter, u64 *value)
{
    cpu->exits[EXIT_PMU_READ]++;
    if (!rdmsr_safe(msr, value))
        return false;
    *value = pmu_amd_read(&cpu->pmu, pmu.mode, counter);
    return true;
}

static bool selector_write(struct cpu *cpu, u32 msr, u32 counter, u64 value, u64 rip)
{
    u64 hardware = pmu_amd_hardware_value(&pmu.filter, value), kept = 0;

    cpu->exits[EXIT_PMU_WRITE]++;
    if (!wrmsr_safe(msr, hardware))
        return false;
    if (pmu_amd_has_reserved(value) && rdmsr_safe(msr, &kept))
        value = pmu_amd_merge_reserved(value, kept);
    pmu_amd_commit(&cpu->pmu, counter, value, hardware, rip);
    return true;
}

/* As on a processor whose firmware has switched SVM off for good (APM 15.30.1). */
static bool read_trapped(struct cpu *cpu, u32 msr, u64 *value)
{
    cpu->exits[EXIT_MSR_READ]++;
    *value = VM_CR_SVMDIS | VM_CR_LOCK;
    return msr == MSR_VM_CR;
}

static bool icr_write(struct cpu *cpu, u64 value)
{
    if (!icr_is_startup((u32)value)) { /* with TF set, or it will fault: else fast.c has done it */
        cpu->exits[EXIT_IPI]++;
        return wrmsr_safe(IA32_X2APIC_ICR, value);
    }
    cpu->exits[EXIT_START]++;
    if (!(rdmsr(IA32_APIC_BASE) & APIC_BASE_EXTD))
        return false; /* x2APIC MSRs fault in the other modes (APM 16.11.1) */
    startup_ipi(cpu, (u32)value, (u32)(value >> 32), true);
    return true;
}

static bool write_trapped(struct cpu *cpu, u32 msr, u64 value, u64 rip)
{
    int counter = pmu_amd_counter(msr);

    if (counter >= 0)
        return selector_write(cpu, msr, (u32)counter, value, rip);
    if (msr == IA32_X2APIC_ICR)
        return icr_write(cpu, value);
    cpu->exits[EXIT_MSR_WRITE]++;
    switch (msr) {
    case IA32_APIC_BASE:
        return apic_base_write(cpu, value);
    case MSR_HWCR: /* SMMLOCK stays as the firmware left it */
        return wrmsr_safe(msr, (value & ~HWCR_SMMLOCK) | (rdmsr(msr) & HWCR_SMMLOCK));
    case MSR_VM_CR:
        return true;
    }
    return false;
}

bool msr_read(struct cpu *cpu, u32 msr, u64 *value)
{
    int counter = pmu_amd_counter(msr);
    enum msr_action action;

    if (counter >= 0 && pmu.mode == PMU_FILTERED) /* before the search: perf may poll them */
        return selector_read(cpu, msr, (u32)counter, value);
    action = msr_judge(&hv.msr, msr).read;
    if (action == MSR_TRAP)
        return read_trapped(cpu, msr, value);
    cpu->exits[EXIT_MSR_READ]++;
    *value = 0;
    return action == MSR_IGNORE || (action == MSR_PASS && rdmsr_safe(msr, value));
}

bool msr_write(struct cpu *cpu, u32 msr, u64 value, u64 rip)
{
    enum msr_action action = msr_judge(&hv.msr, msr).write;

    if (action == MSR_TRAP)
        return write_trapped(cpu, msr, value, rip);
    cpu->exits[EXIT_MSR_WRITE]++;
    return action == MSR_IGNORE || (action == MSR_PASS && wrmsr_safe(msr, value));
}
