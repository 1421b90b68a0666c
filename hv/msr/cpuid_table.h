/* What a guest sees of CPUID: the processor's own answer, less what the MSR table denies (the same
 * features, feature.h), plus the few bits that depend on the guest's own state.
 *
 * The hypervisor bit: with `hypervisor_bit` Cede shows it and its leaves 4000_0000 and 4000_0001.
 * Without, bit and leaves read as the hardware gives them: clear on metal; on a machine that is
 * itself virtual, the outer hypervisor's, which is as true under Cede as it is bare. */
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

/* Folds basic, hypervisor and extended leaves into 64 bits. A leaf that shares its bit with an
 * edited one (8000_0018 with 4000_0000, say) costs a needless look at the table, no more. */
static inline u32 cpuid_fold(u32 leaf)
{
    return (leaf ^ leaf >> 27) & 63;
}

#define CPUID_FOLD(leaf) BIT(((leaf) ^ (leaf) >> 27) & 63)

/* The folded leaves that cpuid_edit() may change, by vendor. */
#define CPUID_EDITED_BOTH                                                        \
    (CPUID_FOLD(0x1U) | CPUID_FOLD(0x6U) | CPUID_FOLD(0x7U) | CPUID_FOLD(0xdU) | \
     CPUID_FOLD(0xfU) | CPUID_FOLD(0x40000000U) | CPUID_FOLD(0x40000001U))
#define CPUID_EDITED_AMD                                                           \
    (CPUID_EDITED_BOTH | CPUID_FOLD(0x80000001U) | CPUID_FOLD(0x80000007U) |       \
     CPUID_FOLD(0x80000008U) | CPUID_FOLD(0x8000000aU) | CPUID_FOLD(0x8000001bU) | \
     CPUID_FOLD(0x8000001cU) | CPUID_FOLD(0x8000001fU) | CPUID_FOLD(0x80000020U) | \
     CPUID_FOLD(0x80000022U) | CPUID_FOLD(0x80000023U) | CPUID_FOLD(0x80000025U))
#define CPUID_EDITED_INTEL                                                          \
    (CPUID_EDITED_BOTH | CPUID_FOLD(0xaU) | CPUID_FOLD(0x12U) | CPUID_FOLD(0x14U) | \
     CPUID_FOLD(0x19U) | CPUID_FOLD(0x1cU) | CPUID_FOLD(0x23U))

/* True: the hardware's answer is the guest's, in few instructions. False: ask cpuid_edit(). */
static inline bool cpuid_plain_amd(u32 leaf)
{
    return !(CPUID_EDITED_AMD >> cpuid_fold(leaf) & 1);
}

static inline bool cpuid_plain_intel(u32 leaf)
{
    return !(CPUID_EDITED_INTEL >> cpuid_fold(leaf) & 1);
}

/* Turns the hardware's answer in regs (EAX, EBX, ECX, EDX) into the guest's. */
void cpuid_edit(const struct cpuid_context *guest, u32 leaf, u32 subleaf, u32 regs[4]);

#endif
