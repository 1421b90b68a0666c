/* What a guest sees of CPUID: the processor's own answer, less what the MSR table denies (the same
 * features, feature.h), plus the few bits that depend on the guest's own state.
 *
 * With `hypervisor_bit` Cede shows the hypervisor bit and its leaves 4000_0000 and 4000_0001.
 * Without, the bit is the hardware's: clear on metal, set on a machine that is itself virtual,
 * which is as true under Cede as it is bare. The outer hypervisor's leaves 4000_0000 to 4FFF_FFFF
 * are never shown: what they promise, hypercalls first of all, ends at Cede. */
#ifndef CEDE_CPUID_TABLE_H
#define CEDE_CPUID_TABLE_H

#include "base/feature.h"

enum cpuid_register { CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX };

#define CPUID_ANY_SUBLEAF 0xffff

/* One line of the table: bits of one register, cleared while the feature is denied. */
struct cpuid_row {
    u32 leaf;
    u16 subleaf; /* or CPUID_ANY_SUBLEAF */
    u8 reg;      /* enum cpuid_register */
    u8 feature;  /* enum feature */
    u32 clear;
};

struct cpuid_rows {
    const struct cpuid_row *rows;
    u32 count;
};

/* hv/msr/cpuid_rows.c; in order of leaves. */
extern const struct cpuid_rows cpuid_rows_amd, cpuid_rows_intel;

/* The guest whose CPUID exited. */
struct cpuid_context {
    u64 cr4;
    bool intel;
    bool hypervisor_bit;
    bool x2apic_locked; /* ARCH_CAPABILITIES is there, whatever the processor */
    bool pmu_off;       /* hides FEATURE_PMU */
    u32 granted;        /* features, as bits; see FEATURES_GRANTABLE */
};

/* Folds all leaves into 64 bits, those from 4000_0000 on, whatever else is in them, into the upper
 * half, and basic and extended ones by their lowest bits. A leaf that shares its bit with an edited
 * one (Intel's 8000_0001 with 1, say) costs a needless look at the table, no more. */
#define CPUID_FOLD(leaf) (((leaf) | (leaf) >> 25) & 63)
#define CPUID_BIT(leaf)  BIT(CPUID_FOLD(leaf))

/* The folded leaves that cpuid_edit() may change, by vendor. */
#define CPUID_EDITED_BOTH                                                                      \
    (CPUID_BIT(0x1U) | CPUID_BIT(0x6U) | CPUID_BIT(0x7U) | CPUID_BIT(0xdU) | CPUID_BIT(0xfU) | \
     MASK(63, 32))
#define CPUID_EDITED_AMD                                                        \
    (CPUID_EDITED_BOTH | CPUID_BIT(0x80000001U) | CPUID_BIT(0x80000007U) |      \
     CPUID_BIT(0x80000008U) | CPUID_BIT(0x8000000aU) | CPUID_BIT(0x8000001bU) | \
     CPUID_BIT(0x8000001cU) | CPUID_BIT(0x8000001fU) | CPUID_BIT(0x80000020U) | \
     CPUID_BIT(0x80000022U) | CPUID_BIT(0x80000023U) | CPUID_BIT(0x80000025U))
#define CPUID_EDITED_INTEL                                                       \
    (CPUID_EDITED_BOTH | CPUID_BIT(0xaU) | CPUID_BIT(0x12U) | CPUID_BIT(0x14U) | \
     CPUID_BIT(0x19U) | CPUID_BIT(0x1cU) | CPUID_BIT(0x23U))

/* True: the hardware's answer is the guest's, in few instructions. False: ask cpuid_edit(). */
static inline bool cpuid_plain_amd(u32 leaf)
{
    return ~CPUID_EDITED_AMD >> CPUID_FOLD(leaf) & 1;
}

static inline bool cpuid_plain_intel(u32 leaf)
{
    return ~CPUID_EDITED_INTEL >> CPUID_FOLD(leaf) & 1;
}

/* Turns the hardware's answer in regs (EAX, EBX, ECX, EDX) into the guest's. */
void cpuid_edit(const struct cpuid_context *guest, u32 leaf, u32 subleaf, u32 regs[4]);

#endif
