/* Which MSRs a sole tenant reads and writes itself, which the hypervisor handles, and which it
 * denies: const rows with a reason each (DESIGN.md rule 3).
 *
 * The machine is the tenant's, so what no row names passes, but for what would reach the hypervisor
 * or other cores through the PMU's many relatives. With unknown_gp, MSRs that no row names are
 * denied on processors newer than the rows, where they may be new selectors. */
#ifndef CEDE_MSR_TABLE_H
#define CEDE_MSR_TABLE_H

#include "boot_info.h"
#include "feature.h"

enum msr_action {
    MSR_PASS, /* the processor's own; outside the permission map's reach the hypervisor executes it
               */
    MSR_TRAP, /* the hypervisor has a handler for this very MSR */
    MSR_GP,   /* #GP(0), as if the MSR did not exist or were locked */
    MSR_IGNORE, /* reads give 0, writes do nothing: software writes here that must not fault */
};

/* What judgement depends on; constant while a guest runs, but for `pmu`. */
struct msr_context {
    u32 family; /* msr_cpu_family() */
    u8 pmu;     /* enum pmu_mode */
    bool unknown_gp;
    u32 granted; /* features, as bits; see FEATURES_GRANTABLE */
};

struct msr_verdict {
    u8 read, write; /* enum msr_action */
    bool known;     /* a row names this MSR */
    const char *reason;
};

/* What a row says of reads and of writes. */
enum msr_rule {
    RULE_PASS,       /* pass, pass */
    RULE_TRAP,       /* trap, trap */
    RULE_TRAP_WRITE, /* pass, trap */
    RULE_DENY,       /* #GP, #GP */
    RULE_LOCKED,     /* pass, #GP: as where the processor has locked the MSR */
    RULE_FROZEN,     /* pass, ignore: firmware and Linux write back what they read */
};

/* One line of the table: MSRs first, first + step, ... last. */
struct msr_row {
    u32 first, last;
    u8 step;
    u8 rule;                      /* enum msr_rule, while the feature is not granted */
    u8 feature;                   /* enum feature */
    u8 first_family, last_family; /* where this holds; both 0: everywhere */
    char reason[35];
};

/* hv/msr_rows_amd.c. No two rows hold one MSR for the same family. */
extern const struct msr_row msr_rows_amd[];
extern const u32 msr_rows_amd_count;
#define MSR_ROWS_AMD_NEWEST 0x1a /* the newest family whose documentation the rows know */

struct msr_verdict msr_judge(const struct msr_context *cpu, u32 msr);

/* Fills the MSR permission map (APM 15.11): two bits per MSR, read and write intercept, for MSRs
 * 0-1FFF, C0000000-C0001FFF and C0010000-C0011FFF. Everything but MSR_PASS is intercepted. */
void msr_bitmap_svm(u8 map[8192], const struct msr_context *cpu);

/* Display family from CPUID.1 EAX. */
static inline u32 msr_cpu_family(u32 eax)
{
    u32 base = FIELD(eax, 11, 8);

    return base == 0xf ? base + (u32)FIELD(eax, 27, 20) : base;
}

#endif
