#include "machine/pmu_text.h"

#include "boot_info.h"
#include "machine/cpu_ops.h"
#include "uefi/text.h"

#define HYPERVISOR_PRESENT BIT(31) /* 1 ECX */
#define PERF_CTR_EXT_CORE  BIT(23) /* 8000_0001 ECX: six counters, MSRs C001_0200 up */
#define PERF_MON_V2        BIT(0)  /* 8000_0022 EAX: global control; EBX[3:0] counters */

/* Intel's architectural performance monitoring; leaf 0AH. */
static bool perfmon_text(char *text, size_t size)
{
    u32 eax = cpuid_value(0xa, 0, CPUID_EAX), edx = cpuid_value(0xa, 0, CPUID_EDX);

    if (is_amd() || !(eax & 0xff))
        return false;
    text_print(text, size, "version %u, %u counters, %u fixed", eax & 0xff, eax >> 8 & 0xff,
               edx & 0x1f);
    return true;
}

const char *pmu_text(void)
{
    static char text[48];

    if (perfmon_text(text, sizeof text))
        return text;
    if (cpuid_value(0x80000022, 0, CPUID_EAX) & PERF_MON_V2)
        text_print(text, sizeof text, "%u counters, PerfMonV2",
                   cpuid_value(0x80000022, 0, CPUID_EBX) & 0xf);
    else if (cpuid_value(0x80000001, 0, CPUID_ECX) & PERF_CTR_EXT_CORE)
        text_print(text, sizeof text, "6 counters");
    else if (cpuid_value(1, 0, CPUID_ECX) & HYPERVISOR_PRESENT)
        text_print(text, sizeof text, "none"); /* a virtual machine's: CPUID would list them */
    else if (is_amd())
        text_print(text, sizeof text, "4 counters"); /* since K7, without a CPUID bit */
    else
        text_print(text, sizeof text, "none");
    return text;
}

const char *pmu_mode_text(unsigned mode)
{
    return mode == PMU_FULL ? "full" : mode == PMU_OFF ? "off" : "filtered";
}
