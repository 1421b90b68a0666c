#include "exits/apic_page.h"
#include "base/asm.h"
#include "guest.h"
#include "base/msr.h"
#include "memory/memory.h"
#include "exits/msr_access.h"
#include "counters/pmu.h"

#define IA32_MISC_ENABLE       0x1a0
#define MISC_ENABLE_PERFMON    BIT(7)
#define MISC_ENABLE_NO_BTS     BIT(11)
#define MISC_ENABLE_NO_PEBS    BIT(12)
#define MISC_ENABLE_NO_XD      BIT(34)
#define XSS_PT                 BIT(8)
#define FEATURE_CONTROL_KEPT   FEATURE_CONTROL_LMCE /* VMX, SENTER and SGX are off */
#define IA32_CORE_CAPABILITIES 0xcf
#define CORE_CAP_RAR           BIT(1)
#define IA32_HW_FEEDBACK_PTR   0x17d0
#define HW_FEEDBACK_VALID      BIT(0)

/* The guest reads what it wrote, not what the policy made of it; where the processor has no such
 * register, #GP. */
static bool pmu_read(struct cpu *cpu, u32 msr, u64 kept, u64 *value)
{
    cpu->exits[EXIT_PMU_READ]++;
    if (!rdmsr_safe(msr, value))
        return false;
    *value = kept;
    return true;
}

static bool selector_write(struct cpu *cpu, u32 msr, u32 counter, u64 value)
{
    u64 hardware = pmu_intel_hardware_value(cpu->pmu.core.filter, value);

    cpu->exits[EXIT_PMU_WRITE]++;
    if (!wrmsr_safe(msr, hardware))
        return false;
    if (pmu_intel_commit(&cpu->pmu.intel, counter, value, hardware))
        pmu_note_denial(cpu, 0, value);
    return true;
}

/* FIXED_CTR_CTRL and auxiliary registers: `kept` is what the guest will read. */
static bool limited_write(struct cpu *cpu, u32 msr, u64 value, u64 hardware, u64 *kept)
{
    cpu->exits[EXIT_PMU_WRITE]++;
    if (!wrmsr_safe(msr, hardware))
        return false;
    *kept = value;
    if (hardware != value)
        pmu_note_denial(cpu, msr, value);
    return true;
}

static bool fixed_write(struct cpu *cpu, u64 value)
{
    return limited_write(
        cpu, IA32_FIXED_CTR_CTRL, value,
        pmu_intel_fixed_value(&cpu->pmu.intel.caps, &cpu->guest->pmu.limits, value),
        &cpu->pmu.intel.fixed_ctrl);
}

static bool aux_write(struct cpu *cpu, u32 msr, u32 aux, u64 value)
{
    return limited_write(cpu, msr, value, pmu_intel_aux_value(&cpu->guest->pmu.limits, aux, value),
                         &cpu->pmu.intel.aux[aux]);
}

static u64 misc_enable(const struct cpu *cpu, u64 value)
{
    if (cpu->pmu.core.mode == PMU_OFF)
        value &= ~MISC_ENABLE_PERFMON;
    if (!feature_granted(cpu->guest->msr.granted, FEATURE_PEBS))
        value |= MISC_ENABLE_NO_PEBS;
    return value | MISC_ENABLE_NO_BTS;
}

/* The host's tables have XD bits, and VM entry loads EFER.NXE: firmware's choice may only be
 * undone. */
static bool misc_enable_write(u64 value)
{
    u64 now;

    return rdmsr_safe(IA32_MISC_ENABLE, &now) &&
           wrmsr_safe(IA32_MISC_ENABLE, value & (now | ~MISC_ENABLE_NO_XD));
}

/* What CPUID hides is reserved: XRSTORS would load control registers past the bitmap. */
static bool xss_write(const struct cpu *cpu, u64 value)
{
    u64 hidden = XSS_PT | (feature_granted(cpu->guest->msr.granted, FEATURE_LBR) ? 0 : XSS_LBR);

    return !(value & hidden) && wrmsr_safe(IA32_XSS, value);
}

/* The processor writes its table there past every map (SDM 15.6): not into what is others'. */
static bool hw_feedback_write(u64 value)
{
    u32 regs[4];

    cpuid(6, 0, regs);
    if ((value & HW_FEEDBACK_VALID) &&
        memory_is_kept(value & MASK(51, 12), (FIELD(regs[3], 11, 8) + 1) * PAGE_SIZE))
        return false;
    return wrmsr_safe(IA32_HW_FEEDBACK_PTR, value);
}

static bool read_edited(const struct cpu *cpu, u32 msr, u64 *value)
{
    if (!rdmsr_safe(msr, value))
        return false;
    switch (msr) {
    case IA32_FEATURE_CONTROL:
        *value = (*value & FEATURE_CONTROL_KEPT) | FEATURE_CONTROL_LOCK;
        return true;
    case IA32_CORE_CAPABILITIES:
        *value &= ~CORE_CAP_RAR;
        return true;
    case IA32_MISC_ENABLE:
        *value = misc_enable(cpu, *value);
        return true;
    case IA32_PERF_CAPABILITIES:
        *value = pmu_intel_capabilities(cpu->guest->msr.granted, &cpu->guest->pmu.limits, *value);
        return true;
    }
    return false;
}

bool intel_read_trapped(struct cpu *cpu, u32 msr, u64 *value)
{
    int counter = pmu_intel_counter(msr), aux = pmu_intel_aux(msr);

    if (counter >= 0)
        return pmu_read(cpu, msr, pmu_intel_read(&cpu->pmu.intel, cpu->pmu.core.mode, (u32)counter),
                        value);
    if (aux >= 0)
        return pmu_read(cpu, msr, cpu->pmu.intel.aux[aux], value);
    if (msr == IA32_FIXED_CTR_CTRL)
        return pmu_read(cpu, msr, cpu->pmu.intel.fixed_ctrl, value);
    cpu->exits[EXIT_MSR_READ]++;
    return read_edited(cpu, msr, value);
}

static bool write_other(struct cpu *cpu, u32 msr, u64 value)
{
    switch (msr) {
    case IA32_APIC_BASE:
        return apic_base_write(cpu, value);
    case IA32_MISC_ENABLE:
        return misc_enable_write(value);
    case IA32_HW_FEEDBACK_PTR:
        return hw_feedback_write(value);
    case IA32_XSS:
        return xss_write(cpu, value);
    }
    return false;
}

bool intel_write_trapped(struct cpu *cpu, u32 msr, u64 value)
{
    int counter = pmu_intel_counter(msr), aux = pmu_intel_aux(msr);

    if (counter >= 0)
        return selector_write(cpu, msr, (u32)counter, value);
    if (aux >= 0)
        return aux_write(cpu, msr, (u32)aux, value);
    if (msr == IA32_FIXED_CTR_CTRL)
        return fixed_write(cpu, value);
    if (msr == IA32_X2APIC_ICR)
        return icr_write(cpu, value);
    cpu->exits[EXIT_MSR_WRITE]++;
    return write_other(cpu, msr, value);
}
