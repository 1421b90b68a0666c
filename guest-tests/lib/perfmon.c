#include "perfmon.h"
#include "apic.h"
#include "fault.h"

static const struct perfmon intel = {
    .selector = 0x186,
    .counter = 0x4c1, /* full width, SDM 20.2.6 */
    .stride = 1,
    .global_ctrl = 0x38f,
    .global_status = 0x38e,
    .status_clear = 0x390,
    .counters = 4,
    .fixed = true,
    .event = {[INSTRUCTIONS] = 0xc0, [BRANCHES] = 0xc4, [CYCLES] = 0x3c},
};

static const struct perfmon amd = {
    .selector = 0xc0010200,
    .counter = 0xc0010201,
    .stride = 2,
    .global_ctrl = 0xc0000301,
    .global_status = 0xc0000300,
    .status_clear = 0xc0000302,
    .counters = 6,
    .event = {[INSTRUCTIONS] = 0xc0, [BRANCHES] = 0xc2, [CYCLES] = 0x76},
};

/* Before PerfMonV2 (APM 13.2.1). */
static const struct perfmon amd_before_v2 = {
    .selector = 0xc0010200,
    .counter = 0xc0010201,
    .stride = 2,
    .counters = 6,
    .event = {[INSTRUCTIONS] = 0xc0, [BRANCHES] = 0xc2, [CYCLES] = 0x76},
};

static bool intel_usable(void)
{
    struct cpuid leaf = cpuid(0, 0).eax >= 0xa ? cpuid(0xa, 0) : (struct cpuid){0};
    return (leaf.eax & 0xff) >= 2 && (leaf.eax >> 8 & 0xff) >= intel.counters &&
           (leaf.eax >> 16 & 0xff) == 48 && (leaf.edx & 0x1f) >= 2;
}

static bool amd_usable(void)
{
    return cpuid(0x80000000, 0).eax >= 0x80000022 && (cpuid(0x80000022, 0).eax & 1);
}

const struct perfmon *perfmon_here(void)
{
    if (is_amd) {
        return amd_usable() ? &amd : NULL;
    }
    return intel_usable() ? &intel : NULL;
}

/* CPUID's word for it is not taken: hypervisors announce counters that fault. */
const struct perfmon *perfmon_any(void)
{
    const struct perfmon *p = perfmon_here();
    if (!p && is_amd && (cpuid(0x80000001, 0).ecx & BIT(23))) {
        p = &amd_before_v2;
    }
    bool takes =
        p && wrmsr_safe(p->selector, 0) == NO_FAULT && wrmsr_safe(p->counter, 0) == NO_FAULT;
    return takes ? p : NULL;
}

u64 perfmon_all(const struct perfmon *p)
{
    return (BIT(p->counters) - 1) | (p->fixed ? 3ULL << 32 : 0);
}

static void perfmon_clear_status(const struct perfmon *p)
{
    if (p->global_status) {
        wrmsr(p->status_clear, rdmsr(p->global_status));
    }
}

void perfmon_reset(const struct perfmon *p)
{
    if (p->global_ctrl) {
        wrmsr(p->global_ctrl, 0);
    }
    for (u32 i = 0; i < p->counters; i++) {
        wrmsr(perfmon_selector(p, i), 0);
        wrmsr(perfmon_counter(p, i), 0);
    }
    if (p->fixed) {
        wrmsr(MSR_FIXED_CTR_CTRL, 0);
        wrmsr(MSR_FIXED_CTR0 + FIXED_INSTRUCTIONS, 0);
        wrmsr(MSR_FIXED_CTR0 + FIXED_CYCLES, 0);
    }
    perfmon_clear_status(p);
}

void perfmon_acknowledge(const struct perfmon *p, u32 lvt)
{
    perfmon_clear_status(p);
    apic_write(APIC_LVT_PMC, lvt);
}
