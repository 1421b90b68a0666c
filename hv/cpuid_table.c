#include "cpuid_table.h"
#include "hypercall.h"
#include "msr.h"

#define SIGNATURE 0x65646543U /* "Cede", three times */

#define ANY CPUID_ANY_SUBLEAF
#define ROW(leaf, subleaf, reg, feature, clear)              \
    {                                                        \
        leaf, subleaf, CPUID_##reg, FEATURE_##feature, clear \
    }
#define ALL(leaf, subleaf, feature)                                               \
    ROW(leaf, subleaf, EAX, feature, ~0U), ROW(leaf, subleaf, EBX, feature, ~0U), \
        ROW(leaf, subleaf, ECX, feature, ~0U), ROW(leaf, subleaf, EDX, feature, ~0U)
#define BITS(high, low) ((u32)MASK(high, low))

/* APM volume 3, appendix E. */
const struct cpuid_row cpuid_rows[] = {
    ROW(0x00000007, 0, EBX, QOS_MONITOR, BITS(12, 12)), /* PQM */
    ROW(0x00000007, 1, EAX, FRED, BITS(17, 17)),        /* FRED */
    ROW(0x0000000d, 0, EDX, LWP, BITS(30, 30)),         /* XCR0[62] */
    ALL(0x0000000d, 62, LWP),                           /* its state */
    ALL(0x0000000f, ANY, QOS_MONITOR),                  /* L3 monitoring */
    ROW(0x80000001, ANY, ECX, SVM, BITS(2, 2)),         /* SVM */
    ROW(0x80000001, ANY, ECX, SVM, BITS(12, 12)),       /* SKINIT */
    ROW(0x80000001, ANY, ECX, IBS, BITS(10, 10)),       /* IBS */
    ROW(0x80000001, ANY, ECX, LWP, BITS(15, 15)),       /* LWP */
    ROW(0x80000001, ANY, ECX, PMU, BITS(23, 23)),       /* PerfCtrExtCore */
    ROW(0x80000001, ANY, ECX, UNCORE, BITS(24, 24)),    /* PerfCtrExtNB */
    ROW(0x80000001, ANY, ECX, UNCORE, BITS(28, 28)),    /* PerfCtrExtLLC */
    ROW(0x80000007, ANY, EDX, POWER, BITS(12, 12)),     /* ProcPowerReporting */
    ROW(0x80000007, ANY, ECX, POWER, ~0U),              /* its sample time ratio */
    ROW(0x80000007, ANY, EDX, POWER, BITS(14, 14)),     /* RAPL */
    ROW(0x80000008, ANY, EBX, LBR, BITS(31, 31)),       /* branch sampling (BRS) */
    ROW(0x80000008, ANY, EBX, INVLPGB, BITS(21, 21)),   /* INVLPGB, TLBSYNC */
    ROW(0x80000008, ANY, EDX, INVLPGB, BITS(15, 0)),    /* pages per INVLPGB */
    ALL(0x8000000a, ANY, SVM),                          /* SVM revision and features */
    ALL(0x8000001b, ANY, IBS),                          /* IBS features */
    ALL(0x8000001c, ANY, LWP),                          /* LWP features */
    ALL(0x8000001f, ANY, SEV),                          /* SME, SEV */
    ROW(0x80000020, 0, EBX, QOS_MONITOR, BITS(3, 3)),   /* BMEC */
    ROW(0x80000020, 0, EBX, QOS_MONITOR, BITS(5, 5)),   /* ABMC */
    ALL(0x80000020, 3, QOS_MONITOR),                    /* BMEC events */
    ALL(0x80000020, 5, QOS_MONITOR),                    /* ABMC counters */
    ROW(0x80000022, ANY, EAX, PMU, BITS(0, 0)),         /* PerfMonV2 */
    ROW(0x80000022, ANY, EAX, LBR, BITS(2, 1)),         /* LbrStack, LbrAndPmcFreeze */
    ROW(0x80000022, ANY, EBX, PMU, BITS(3, 0)),         /* core counters */
    ROW(0x80000022, ANY, EBX, LBR, BITS(9, 4)),         /* LBR stack size */
    ROW(0x80000022, ANY, EBX, UNCORE, BITS(15, 10)),    /* data fabric counters */
    ROW(0x80000022, ANY, EBX, UNCORE, BITS(21, 16)),    /* memory controller counters */
    ROW(0x80000022, ANY, ECX, UNCORE, ~0U),             /* memory controllers */
    ALL(0x80000023, ANY, SEV),                          /* multi-key encryption */
    ALL(0x80000025, ANY, SEV),                          /* segmented RMP */
};

const u32 cpuid_rows_count = COUNT(cpuid_rows);

static bool denied(const struct cpuid_context *guest, enum feature feature)
{
    return feature == FEATURE_PMU ? guest->pmu_off : !feature_granted(guest->granted, feature);
}

static void clear_rows(const struct cpuid_context *guest, u32 leaf, u32 subleaf, u32 regs[4])
{
    for (u32 i = 0; i < COUNT(cpuid_rows); i++) {
        const struct cpuid_row *row = &cpuid_rows[i];

        if (row->leaf != leaf || (row->subleaf != ANY && row->subleaf != subleaf))
            continue;
        if (denied(guest, row->feature))
            regs[row->reg] &= ~row->clear;
    }
}

static void set_bit(u32 *reg, u32 bit, bool value)
{
    *reg = (*reg & ~(u32)BIT(bit)) | (u32)value << bit;
}

static void cede_leaf(u32 leaf, u32 regs[4])
{
    static const u32 leaves[2][4] = {
        {0x40000001, SIGNATURE, SIGNATURE, SIGNATURE},
        {CEDE_VERSION, 0, 0, 0},
    };

    for (u32 i = 0; i < 4; i++)
        regs[i] = leaves[leaf & 1][i];
}

/* CR4 is the guest's, but CPUID ran under the host's (APM volume 3, E.3: OSXSAVE, OSPKE). */
void cpuid_edit(const struct cpuid_context *guest, u32 leaf, u32 subleaf, u32 regs[4])
{
    switch (leaf) {
    case 0x00000001:
        set_bit(&regs[CPUID_ECX], 27, guest->cr4 & CR4_OSXSAVE);
        if (guest->hypervisor_bit)
            set_bit(&regs[CPUID_ECX], 31, true);
        return;
    case 0x40000000:
    case 0x40000001:
        if (guest->hypervisor_bit)
            cede_leaf(leaf, regs);
        return;
    case 0x00000007:
        if (subleaf == 0)
            set_bit(&regs[CPUID_ECX], 4, guest->cr4 & CR4_PKE);
        break;
    }
    clear_rows(guest, leaf, subleaf, regs);
}
