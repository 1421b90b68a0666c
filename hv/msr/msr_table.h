/* Which MSRs a sole tenant reads and writes itself, which the hypervisor handles, and which it
 * denies: const rows with a reason each (docs/design.md, What the guest may touch).
 *
 * The machine is the tenant's, so what no row names passes, but for what would reach the hypervisor
 * or other cores through the PMU's many relatives. With unknown_gp, MSRs that no row names are
 * denied on processors newer than the rows, where they may be new selectors. */
#ifndef CEDE_MSR_TABLE_H
#define CEDE_MSR_TABLE_H

#include "boot_info.h"
#include "base/feature.h"

enum cpu_vendor { CPU_AMD, CPU_INTEL };

enum msr_action {
    MSR_PASS, /* the processor's own; outside the permission map's reach the hypervisor executes it
               */
    MSR_TRAP, /* the hypervisor has a handler for this very MSR */
    MSR_GP,   /* #GP(0), as if the MSR did not exist or were locked */
    MSR_IGNORE, /* where it exists, reads give 0 and writes do nothing: for MSRs that software
                   touches without asking */
};

/* What judgement depends on; constant while a guest runs, but for `pmu` and `police_icr`. */
struct msr_context {
    u8 vendor;  /* enum cpu_vendor */
    u8 pmu;     /* enum pmu_mode */
    u16 family; /* msr_cpu_family() ... */
    u16 model;  /* ... and msr_cpu_model() */
    bool unknown_gp;
    bool fixed_restricted; /* Intel: the policy denies something that FIXED_CTR_CTRL selects */
    bool police_icr;       /* Intel: writes to the ICR exit. On AMD they always do */
    bool partition;        /* what msr_rows_partition does not name is denied */
    u32 granted;           /* features, as bits; see FEATURES_GRANTABLE */
    u32 withdrawn;         /* that were granted once: registers read 0, for drivers that use them */
};

struct msr_verdict {
    u8 read, write; /* enum msr_action */
    bool known;     /* a row names this MSR */
};

/* What a row says of reads and of writes. */
enum msr_rule {
    RULE_PASS,        /* pass, pass */
    RULE_TRAP,        /* trap, trap */
    RULE_TRAP_WRITE,  /* pass, trap */
    RULE_TRAP_READ,   /* trap, #GP: read-only, and edited */
    RULE_ICR,         /* pass, trap while the ICR is policed */
    RULE_DENY,        /* #GP, #GP */
    RULE_GUARD,       /* likewise; where granted, or once granted: pass, trap */
    RULE_ZERO,        /* ignore, ignore: in place of RULE_DENY where kernels go by the model */
    RULE_LOCKED,      /* pass, #GP: as where the processor has locked the MSR */
    RULE_FROZEN,      /* pass, ignore: firmware and Linux write back what they read */
    RULE_TRAP_FROZEN, /* trap, ignore: likewise, and edited */
};

/* Groups of processors on which a number means something else than on others. Each processor is in
 * exactly one. */
enum msr_part {
    PART_OTHER = 1 << 0,
    PART_AMD_15 = 1 << 1, /* family 15h */
    PART_AMD_16 = 1 << 2,
    PART_UNCORE_391 = 1 << 3, /* Nehalem to Broadwell clients: uncore global control at 391H */
    PART_NHM_EX = 1 << 4,     /* Nehalem-EX, Westmere-EX */
    PART_SNB_EP = 1 << 5,     /* Sandy Bridge-EP, Ivy Bridge-EP */
    PART_SNR = 1 << 6,        /* Snow Ridge */
};

/* One line of the table: MSRs first, first + step, ... last. */
struct msr_row {
    u32 first, last;
    u8 step;
    u8 rule;    /* enum msr_rule, while the feature is not granted */
    u8 feature; /* enum feature */
    u8 parts;   /* where this holds, bits of enum msr_part; 0: everywhere */
#if __STDC_HOSTED__
    const char *reason; /* for readers and unit tests; it takes no room in the image */
#endif
};

struct msr_rows {
    const struct msr_row *rows;
    u32 count;
};

/* hv/msr/rows_amd.c and hv/msr/rows_intel.c, in order of their numbers. No two rows hold one MSR
 * for the same part. */
extern const struct msr_rows msr_rows_amd, msr_rows_intel;

/* hv/msr/rows_partition.c: what there is for a partition. RULE_PASS: what the vendor's rows say. */
extern const struct msr_rows msr_rows_partition;

struct msr_verdict msr_judge(const struct msr_context *cpu, u32 msr);

/* Fills the MSR permission map (APM 15.11): two bits per MSR, read and write intercept, for MSRs
 * 0-1FFF, C0000000-C0001FFF and C0010000-C0011FFF. Everything but MSR_PASS is intercepted. */
void msr_bitmap_svm(u8 map[8192], const struct msr_context *cpu);

/* Fills the MSR bitmap (SDM 25.6.9): one bit per MSR of 0-1FFF for reads, of C0000000-C0001FFF for
 * reads, and both for writes. Everything but MSR_PASS is intercepted; MSRs beyond always exit. */
void msr_bitmap_vmx(u8 map[4096], const struct msr_context *cpu);

/* Display family and model from CPUID.1 EAX. */
static inline u16 msr_cpu_family(u32 eax)
{
    u32 base = FIELD(eax, 11, 8);

    return (u16)(base == 0xf ? base + FIELD(eax, 27, 20) : base);
}

static inline u16 msr_cpu_model(u32 eax)
{
    return (u16)(FIELD(eax, 19, 16) << 4 | FIELD(eax, 7, 4));
}

#endif
