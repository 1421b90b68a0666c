#include "msr/cpuid_table.h"

#define ANY CPUID_ANY_SUBLEAF
#define HIDE(leaf, subleaf, reg, feature, clear)             \
    {                                                        \
        leaf, subleaf, CPUID_##reg, FEATURE_##feature, clear \
    }
#define HIDE_LEAF(leaf, subleaf, feature)                                           \
    HIDE(leaf, subleaf, EAX, feature, ~0U), HIDE(leaf, subleaf, EBX, feature, ~0U), \
        HIDE(leaf, subleaf, ECX, feature, ~0U), HIDE(leaf, subleaf, EDX, feature, ~0U)
#define BITS(high, low) ((u32)MASK(high, low))

/* APM volume 3, appendix E. */
static const struct cpuid_row amd[] = {
    HIDE(0x00000006, ANY, ECX, CYCLES, BITS(0, 0)),      /* APERF, MPERF */
    HIDE(0x00000007, 0, EBX, QOS_MONITOR, BITS(12, 12)), /* PQM */
    HIDE(0x00000007, 1, EAX, FRED, BITS(17, 17)),        /* FRED */
    HIDE(0x0000000d, 0, EDX, LWP, BITS(30, 30)),         /* XCR0[62] */
    HIDE_LEAF(0x0000000d, 62, LWP),                      /* its state */
    HIDE_LEAF(0x0000000f, ANY, QOS_MONITOR),             /* L3 monitoring */
    HIDE(0x80000001, ANY, ECX, SVM, BITS(2, 2)),         /* SVM */
    HIDE(0x80000001, ANY, ECX, SVM, BITS(12, 12)),       /* SKINIT */
    HIDE(0x80000001, ANY, ECX, IBS, BITS(10, 10)),       /* IBS */
    HIDE(0x80000001, ANY, ECX, LWP, BITS(15, 15)),       /* LWP */
    HIDE(0x80000001, ANY, ECX, PMU, BITS(23, 23)),       /* PerfCtrExtCore */
    HIDE(0x80000001, ANY, ECX, UNCORE, BITS(24, 24)),    /* PerfCtrExtNB */
    HIDE(0x80000001, ANY, ECX, UNCORE, BITS(28, 28)),    /* PerfCtrExtLLC */
    HIDE(0x80000007, ANY, EDX, CYCLES, BITS(11, 10)),    /* frequency feedback, EffFreqRO */
    HIDE(0x80000007, ANY, EDX, POWER, BITS(12, 12)),     /* ProcPowerReporting */
    HIDE(0x80000007, ANY, ECX, POWER, ~0U),              /* its sample time ratio */
    HIDE(0x80000007, ANY, EDX, POWER, BITS(14, 14)),     /* RAPL */
    HIDE(0x80000008, ANY, EBX, IRPERF, BITS(1, 1)),      /* IRPerf */
    HIDE(0x80000008, ANY, EBX, CYCLES, BITS(4, 4)),      /* RDPRU ... */
    HIDE(0x80000008, ANY, EDX, CYCLES, BITS(31, 16)),    /* ... and what it reads */
    HIDE(0x80000008, ANY, EBX, LBR_STACK, BITS(31, 31)), /* branch sampling (BRS) */
    HIDE(0x80000008, ANY, EBX, INVLPGB, BITS(3, 3)),     /* INVLPGB, TLBSYNC */
    HIDE(0x80000008, ANY, EBX, INVLPGB, BITS(21, 21)),   /* INVLPGB of nested translations */
    HIDE(0x80000008, ANY, EDX, INVLPGB, BITS(15, 0)),    /* pages per INVLPGB */
    HIDE_LEAF(0x8000000a, ANY, SVM),                     /* SVM revision and features */
    HIDE_LEAF(0x8000001b, ANY, IBS),                     /* IBS features */
    HIDE_LEAF(0x8000001c, ANY, LWP),                     /* LWP features */
    HIDE_LEAF(0x8000001f, ANY, SEV),                     /* SME, SEV */
    HIDE(0x80000020, 0, EBX, QOS_MONITOR, BITS(3, 3)),   /* BMEC */
    HIDE(0x80000020, 0, EBX, QOS_MONITOR, BITS(5, 5)),   /* ABMC */
    HIDE_LEAF(0x80000020, 3, QOS_MONITOR),               /* BMEC events */
    HIDE_LEAF(0x80000020, 5, QOS_MONITOR),               /* ABMC counters */
    HIDE(0x80000021, ANY, EAX, USER_DIS, BITS(17, 17)),  /* CpuidUserDis */
    HIDE(0x80000022, ANY, EAX, PMU, BITS(0, 0)),         /* PerfMonV2 */
    HIDE(0x80000022, ANY, EAX, LBR_STACK, BITS(2, 1)),   /* LbrStack, LbrAndPmcFreeze */
    HIDE(0x80000022, ANY, EBX, PMU, BITS(3, 0)),         /* core counters */
    HIDE(0x80000022, ANY, EBX, LBR_STACK, BITS(9, 4)),   /* LBR stack size */
    HIDE(0x80000022, ANY, EBX, UNCORE, BITS(15, 10)),    /* data fabric counters */
    HIDE(0x80000022, ANY, EBX, UNCORE, BITS(21, 16)),    /* memory controller counters */
    HIDE(0x80000022, ANY, ECX, UNCORE, ~0U),             /* memory controllers */
    HIDE_LEAF(0x80000023, ANY, SEV),                     /* multi-key encryption */
    HIDE_LEAF(0x80000025, ANY, SEV),                     /* segmented RMP */
};

/* SDM volume 2, CPUID. Leaf 0AH is the processor's own. */
static const struct cpuid_row intel[] = {
    HIDE(0x00000001, ANY, ECX, PEBS, BITS(2, 2)),        /* DTES64 */
    HIDE(0x00000001, ANY, ECX, STORES, BITS(4, 4)),      /* DS-CPL */
    HIDE(0x00000001, ANY, ECX, VMX, BITS(5, 5)),         /* VMX */
    HIDE(0x00000001, ANY, ECX, SMX, BITS(6, 6)),         /* SMX */
    HIDE(0x00000001, ANY, ECX, PMU, BITS(15, 15)),       /* PDCM: PERF_CAPABILITIES */
    HIDE(0x00000001, ANY, EDX, PEBS, BITS(21, 21)),      /* DS: debug store */
    HIDE(0x00000006, ANY, ECX, CYCLES, BITS(0, 0)),      /* APERF, MPERF */
    HIDE(0x00000007, 0, EBX, SGX, BITS(2, 2)),           /* SGX */
    HIDE(0x00000007, 0, EBX, QOS_MONITOR, BITS(12, 12)), /* RDT-M */
    HIDE(0x00000007, 0, EBX, PT, BITS(25, 25)),          /* processor trace */
    HIDE(0x00000007, 0, ECX, SGX, BITS(30, 30)),         /* SGX launch configuration */
    HIDE(0x00000007, 0, EDX, LBR, BITS(19, 19)),         /* architectural LBRs */
    HIDE(0x00000007, 1, EAX, PMU, BITS(8, 8)),           /* leaf 23H */
    HIDE(0x00000007, 1, EAX, FRED, BITS(17, 17)),        /* FRED */
    HIDE(0x00000007, 1, EAX, MSR_FORMS, BITS(27, 27)),   /* RDMSRLIST, WRMSRLIST */
    HIDE(0x00000007, 1, ECX, MSR_FORMS, BITS(5, 5)),     /* their immediate forms */
    HIDE(0x00000007, 1, EDX, MSR_FORMS, BITS(15, 15)),   /* URDMSR, UWRMSR */
    HIDE_LEAF(0x0000000a, ANY, PMU),                     /* architectural performance monitoring */
    HIDE(0x0000000d, 1, ECX, PT, BITS(8, 8)),            /* XSS: trace state, which ... */
    HIDE(0x0000000d, 1, ECX, LBR, BITS(15, 15)),         /* ... as LBR's XRSTORS would load */
    HIDE_LEAF(0x0000000d, 8, PT),                        /* its size */
    HIDE_LEAF(0x0000000d, 15, LBR),                      /* likewise */
    HIDE_LEAF(0x0000000f, ANY, QOS_MONITOR),             /* L3 monitoring */
    HIDE_LEAF(0x00000012, ANY, SGX),                     /* SGX */
    HIDE_LEAF(0x00000014, ANY, PT),                      /* processor trace */
    HIDE_LEAF(0x0000001c, ANY, LBR),                     /* architectural LBRs */
    HIDE_LEAF(0x00000023, ANY, PMU),                     /* extended performance monitoring */
    HIDE(0x00000023, 0, EAX, STORES, BITS(2, 2)),        /* auto counter reload */
    HIDE(0x00000023, 0, EAX, STORES, BITS(5, 4)),        /* architectural PEBS */
    HIDE_LEAF(0x00000023, 2, STORES),
    HIDE_LEAF(0x00000023, 4, STORES),
    HIDE_LEAF(0x00000023, 5, STORES),
};

const struct cpuid_rows cpuid_rows_amd = {amd, COUNT(amd)};
const struct cpuid_rows cpuid_rows_intel = {intel, COUNT(intel)};
