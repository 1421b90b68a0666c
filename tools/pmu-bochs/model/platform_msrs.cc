/*
 * MSRs beside the PMU that firmware and kernels touch on the modelled CPUs, and that Bochs does not
 * know: they keep what is written to them and do nothing. Without them software meets #GP where
 * hardware has none.
 */
#include "machine.h"

namespace pmu
{

struct PlatformMsr {
    uint32_t msr;
    uint64_t initial;
    uint64_t writable; /* other bits keep their value; 0: writes fault */
};

static const uint64_t ALL = ~0ULL;

static const PlatformMsr intel_msrs[] = {
    {0x017, 0, 0},   /* IA32_PLATFORM_ID */
    {0x02a, 0, ALL}, /* MSR_EBL_CR_POWERON */
    {0x033, 0, 0},   /* MSR_TEST_CTRL */
    {0x034, 0, 0},   /* MSR_SMI_COUNT */
    {0x079, 0, ALL}, /* IA32_BIOS_UPDT_TRIG */
    {0x08b, 0, ALL}, /* IA32_BIOS_SIGN_ID */
    {0x0ce, 0, 0},   /* MSR_PLATFORM_INFO */
    {0x140, 0, ALL}, /* MISC_FEATURES_ENABLES */
    {0x179, 0, 0},   /* IA32_MCG_CAP: no banks */
    {0x17a, 0, ALL}, /* IA32_MCG_STATUS */
    {0x198, 0, 0},   /* IA32_PERF_STATUS */
    {0x199, 0, ALL}, /* IA32_PERF_CTL */
    {0x19a, 0, ALL}, /* IA32_CLOCK_MODULATION */
    {0x19b, 0, ALL}, /* IA32_THERM_INTERRUPT */
    {0x19c, 0, ALL}, /* IA32_THERM_STATUS */
    /* IA32_MISC_ENABLE: perfmon available 7, BTS 11 and PEBS 12 unavailable (but with its option)
       are read-only (SDM 4, table 2-2) */
    {0x1a0, 0x1881, 0x400450009ULL},
    {0x1b0, 0, ALL}, /* IA32_ENERGY_PERF_BIAS */
    {0x1b1, 0, ALL}, /* IA32_PACKAGE_THERM_STATUS */
    {0x1b2, 0, ALL}, /* IA32_PACKAGE_THERM_INTERRUPT */
    {0x1db, 0, ALL}, /* MSR_LASTBRANCHFROMIP and its like: last branch, last exception */
    {0x1dc, 0, ALL},
    {0x1dd, 0, ALL},
    {0x1de, 0, ALL},
    {0x1fc, 0, ALL}, /* MSR_POWER_CTL */
};

static const PlatformMsr amd_msrs[] = {
    {0x017, 0, 0},           /* what OVMF reads on any vendor */
    {0x08b, 0x8001138, ALL}, /* patch level */
    {0x179, 0, 0},           /* MCG_CAP: no banks */
    {0x17a, 0, ALL},
    {0xc001001a, 0xc0000000, ALL}, /* TOP_MEM; where Bochs' PCI hole starts */
    {0xc001001d, 0, ALL},          /* TOM2 */
    {0xc0010010, 0, ALL},          /* SYSCFG */
    {0xc001001b, 0, ALL},
    {0xc001001f, 0, ALL},          /* NB_CFG */
    {0xc0010020, 0, ALL},          /* PATCH_LOADER */
    {0xc0010055, 0, ALL},          /* interrupt pending */
    {0xc0010058, 0, ALL},          /* MMIO configuration base */
    {0xc0010061, 0, 0},            /* P-state limit */
    {0xc0010062, 0, ALL},          /* P-state control */
    {0xc0010063, 0, 0},            /* P-state status */
    {0xc0010064, 1ULL << 63, ALL}, /* P-state 0 */
    {0xc0010111, 0x30000, ALL},    /* SMM_BASE */
    {0xc0010112, 0, ALL},          /* SMM_ADDR */
    {0xc0010113, 0, ALL},          /* SMM_MASK */
    {0xc0010131, 0, ALL},          /* SEV status, which OVMF reads */
    {0xc0010140, 0, ALL},          /* OSVW length: no errata that the OS must know */
    {0xc0010141, 0, ALL},          /* OSVW status */
    {0xc0011020, 0, ALL},          /* LS_CFG */
    {0xc0011021, 0, ALL},          /* IC_CFG */
    {0xc0011022, 0, ALL},          /* DC_CFG */
    {0xc0011023, 0, ALL},
    {0xc0011028, 0, ALL},
    {0xc0011029, 2, ALL}, /* DE_CFG: LFENCE serializes */
    {0xc001102a, 0, ALL},
    {0xc001102b, 0, ALL},
    {0xc001102c, 0, ALL},
    {0xc001102d, 0, ALL},
};

enum : unsigned { MOST_ROWS = 40, MOST_PROCESSORS = 256 };

static struct {
    const PlatformMsr *rows;
    unsigned count;
    uint64_t value[MOST_ROWS];
} state[MOST_PROCESSORS];

static_assert(sizeof amd_msrs / sizeof amd_msrs[0] <= MOST_ROWS, "more rows than values");
static_assert(sizeof intel_msrs / sizeof intel_msrs[0] <= MOST_ROWS, "more rows than values");

void reset_platform_msrs(unsigned processor, bool intel)
{
    auto &s = state[processor];
    s.rows = intel ? intel_msrs : amd_msrs;
    s.count =
        intel ? sizeof intel_msrs / sizeof intel_msrs[0] : sizeof amd_msrs / sizeof amd_msrs[0];
    for (unsigned k = 0; k < s.count; k++)
        s.value[k] = s.rows[k].initial;
}

static unsigned row_of(unsigned processor, uint32_t msr)
{
    unsigned k = 0;
    while (k < state[processor].count && state[processor].rows[k].msr != msr)
        k++;
    return k;
}

Access read_platform_msr(unsigned processor, uint32_t msr, uint64_t *value)
{
    unsigned row = row_of(processor, msr);
    if (row == state[processor].count)
        return UNKNOWN;
    *value = state[processor].value[row];
    if (msr == 0x1a0 && options.pebs)
        *value &= ~(1ULL << 12);
    return DONE;
}

Access write_platform_msr(unsigned processor, uint32_t msr, uint64_t value)
{
    unsigned row = row_of(processor, msr);
    if (row == state[processor].count)
        return UNKNOWN;
    uint64_t writable = state[processor].rows[row].writable;
    if (!writable)
        return FAULT;
    uint64_t *kept = &state[processor].value[row];
    *kept = (*kept & ~writable) | (value & writable);
    return DONE;
}

} // namespace pmu
