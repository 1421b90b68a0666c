#include "exits/msr_access.h"
#include "exits/apic_page.h"
#include "base/asm.h"
#include "guest.h"
#include "x86/memory_type.h"
#include "base/msr.h"
#include "counters/pmu.h"
#include "apic/icr.h"
#include "apic/ipi.h"
#include "guest/startup.h"
#include "guest/watch.h"

bool icr_write(struct cpu *cpu, u64 value)
{
    if (!icr_is_startup((u32)value)) { /* with TF set, or it will fault: else fast.c has done it */
        cpu->exits[EXIT_IPI]++;
        watch_other_write(cpu);
        return hv.owners ? ipi_send(cpu, (u32)value, (u32)(value >> 32), true)
                         : wrmsr_safe(IA32_X2APIC_ICR, value);
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
static bool is_selector(const struct cpu *cpu, u32 msr)
{
    return cpu->pmu.core.mode == PMU_FILTERED &&
           (hv.intel ? pmu_intel_counter(msr) : pmu_amd_counter(msr)) >= 0;
}

/* What a partition finds in place of the machine's own (rows_partition.c). The x2APIC is locked
 * (SDM 11.12.1), or Linux would leave it, for want of interrupt remapping. */
static bool partition_read(const struct cpu *cpu, u32 msr, u64 *value)
{
    switch (msr) {
    case IA32_APIC_BASE:
        *value = partition_apic_base(cpu);
        return true;
    case IA32_XAPIC_DISABLE_STATUS:
        *value = LEGACY_XAPIC_DISABLED;
        return true;
    case IA32_ARCH_CAPABILITIES:
        if (!rdmsr_safe(msr, value))
            *value = 0;
        *value |= ARCH_CAP_XAPIC_DISABLE;
        return true;
    case IA32_MTRR_DEF_TYPE:
        *value = MTRR_DEF_TYPE_E | TYPE_WB;
        return true;
    }
    return false;
}

static bool trapped_read(struct cpu *cpu, u32 msr, u64 *value)
{
    if (is_partition(cpu->guest) && partition_read(cpu, msr, value)) {
        cpu->exits[EXIT_MSR_READ]++;
        return true;
    }
    return hv.intel ? intel_read_trapped(cpu, msr, value) : amd_read_trapped(cpu, msr, value);
}

bool msr_read(struct cpu *cpu, u32 msr, u64 *value)
{
    enum msr_action action =
        is_selector(cpu, msr) ? MSR_TRAP : msr_judge(&cpu->guest->msr, msr).read;

    if (action == MSR_TRAP)
        return trapped_read(cpu, msr, value);
    cpu->exits[EXIT_MSR_READ]++;
    *value = 0;
    return action == MSR_IGNORE ? exists(msr) : action == MSR_PASS && rdmsr_safe(msr, value);
}

bool msr_write(struct cpu *cpu, u32 msr, u64 value)
{
    enum msr_action action =
        is_selector(cpu, msr) ? MSR_TRAP : msr_judge(&cpu->guest->msr, msr).write;

    if (action == MSR_TRAP)
        return hv.intel ? intel_write_trapped(cpu, msr, value) : amd_write_trapped(cpu, msr, value);
    cpu->exits[EXIT_MSR_WRITE]++;
    return action == MSR_IGNORE ? exists(msr) : action == MSR_PASS && wrmsr_safe(msr, value);
}
