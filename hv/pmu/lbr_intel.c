#include "pmu/lbr_intel.h"
#include "base/msr.h"

#define MSR_LBR_SELECT         0x1c8 /* then TOS */
#define MSR_LASTBRANCH_FROM    0x680
#define MSR_LASTBRANCH_TO      0x6c0
#define MSR_LASTBRANCH_FROM_AT 0x40 /* on Atom up to Airmont, and Core 2 */
#define MSR_LASTBRANCH_TO_AT   0x60
#define MSR_LBR_INFO           0xdc0
#define IA32_LBR_DEPTH         0x14cf

enum { DEEPEST = 32, DEEPEST_AT = 8 };

/* PERF_CAPABILITIES.LBR_FMT (SDM 18.4.8.1): with these there is MSR_LBR_INFO. Elsewhere the uncore
 * may have its numbers. */
enum { FORMAT_INFO = 5, FORMAT_INFO_2 = 7 };

static void zero_range(u32 first, u32 count, const struct pmu_access *access)
{
    for (u32 i = 0; i < count && access->wrmsr(first + i, 0); i++) {
    }
}

static u64 format(const struct pmu_access *access)
{
    u64 capabilities;

    return access->rdmsr(IA32_PERF_CAPABILITIES, &capabilities) ? capabilities & PERF_CAP_LBR_FMT
                                                                : 0;
}

/* A write of the depth, even of the same, zeroes all records (SDM 18.1.4). */
static bool clear_architectural(const struct pmu_access *access)
{
    u64 depth;

    access->wrmsr(IA32_LBR_CTL, 0);
    return access->rdmsr(IA32_LBR_DEPTH, &depth) && access->wrmsr(IA32_LBR_DEPTH, depth);
}

void lbr_intel_clear(const struct pmu_access *access)
{
    u64 kind = format(access), states;

    if (access->rdmsr(IA32_XSS, &states) && (states & XSS_LBR))
        access->wrmsr(IA32_XSS, states & ~XSS_LBR);
    if (clear_architectural(access))
        return;
    zero_range(MSR_LBR_SELECT, 2, access);
    zero_range(MSR_LASTBRANCH_FROM, DEEPEST, access);
    zero_range(MSR_LASTBRANCH_TO, DEEPEST, access);
    zero_range(MSR_LASTBRANCH_FROM_AT, DEEPEST_AT, access);
    zero_range(MSR_LASTBRANCH_TO_AT, DEEPEST_AT, access);
    if (kind == FORMAT_INFO || kind == FORMAT_INFO_2)
        zero_range(MSR_LBR_INFO, DEEPEST, access);
}

void lbr_intel_stop(const struct pmu_access *access)
{
    u64 value;

    if (access->rdmsr(IA32_DEBUGCTL, &value) && (value & DEBUGCTL_LBR))
        access->wrmsr(IA32_DEBUGCTL, value & ~DEBUGCTL_LBR);
    lbr_intel_clear(access);
}
