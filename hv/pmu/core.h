/* One core's PMU: what both vendors keep of it, and how its registers are reached. Only the core
 * itself touches it, but for the denials, which any may read. */
#ifndef CEDE_PMU_CORE_H
#define CEDE_PMU_CORE_H

#include "boot_info.h"
#include "pmu/denial.h"
#include "pmu/filter.h"

/* How these modules reach the machine. An MSR access that faults is false and changes nothing. */
struct pmu_access {
    void (*cpuid)(u32 leaf, u32 subleaf, u32 out[4]);
    bool (*rdmsr)(u32 msr, u64 *value);
    bool (*wrmsr)(u32 msr, u64 value);
};

/* Alike on both vendors. */
#define GLOBAL_FROZEN                  BIT(59) /* GLOBAL_STATUS: nothing counts */
#define GLOBAL_LBRS_FROZEN             BIT(58) /* no branch is recorded */
#define IA32_DEBUGCTL                  0x1d9
#define DEBUGCTL_LBR                   BIT(0)
#define DEBUGCTL_BTF                   BIT(1)
#define DEBUGCTL_FREEZE_LBRS_ON_PMI    BIT(11)
#define DEBUGCTL_FREEZE_PERFMON_ON_PMI BIT(12)

#define KNOWN_SELECTORS 10 /* Intel's, which has more */

/* What hv/counters/credit_*.c has found out, for hv/counters/credit_fast.h to go by. */
struct known_selectors {
    bool valid; /* else nothing of this holds */
    u8 fixed;   /* Intel: the bits of FIXED_CTR_CTRL by which a fixed counter is credited */
    u16 kept;   /* selectors that stay in `attention` whatever is in them */
    u64 selector[KNOWN_SELECTORS]; /* as the guest wrote it, and ... */
    u8 rings[KNOWN_SELECTORS];     /* ... where an instruction counts by it: RING_USR, RING_OS */
};

#define RINGS_OF(selector) ((u8)FIELD(selector, 17, 16))
#define RING_USR           RINGS_OF(EVTSEL_USR)
#define RING_OS            RINGS_OF(EVTSEL_OS)

struct pmu_core {
    u32 generation;              /* the change of policy (pmu.h) that this core has followed, ... */
    u8 mode;                     /* ... and the mode since: enum pmu_mode */
    const struct filter *filter; /* its guest's */

    struct denials denials;

    /* For hv/counters/credit.h. */
    u16 attention;    /* selectors that may count what an emulated instruction does, as bits */
    u64 due, due_pmi; /* of the instruction being emulated; bits as in GLOBAL_CTRL */
    u8 owed[16];      /* branches of VMRUN that are still to be taken off a counter */
    struct known_selectors known;
};

#endif
