#include "msr/cpuid_table.h"
#include "hypercall.h"
#include "base/msr.h"

#define SIGNATURE 0x65646543U /* "Cede", three times */

static bool denied(const struct cpuid_context *guest, enum feature feature)
{
    return feature == FEATURE_PMU ? guest->pmu_off : !feature_granted(guest->granted, feature);
}

static void clear_rows(const struct cpuid_context *guest, u32 leaf, u32 subleaf, u32 regs[4])
{
    const struct cpuid_rows *table = guest->intel ? &cpuid_rows_intel : &cpuid_rows_amd;

    for (u32 i = 0; i < table->count && table->rows[i].leaf <= leaf; i++) {
        const struct cpuid_row *row = &table->rows[i];

        if (row->leaf != leaf || (row->subleaf != CPUID_ANY_SUBLEAF && row->subleaf != subleaf))
            continue;
        if (denied(guest, row->feature))
            regs[row->reg] &= ~row->clear;
    }
}

static void set_bit(u32 *reg, u32 bit, bool value)
{
    *reg = (*reg & ~(u32)BIT(bit)) | (u32)value << bit;
}

/* Leaf 4000_0000 and up: Cede's, where it shows itself, and nobody else's. */
static void hypervisor_leaf(const struct cpuid_context *guest, u32 leaf, u32 regs[4])
{
    static const u32 leaves[2][4] = {
        {0x40000001, SIGNATURE, SIGNATURE, SIGNATURE},
        {CEDE_VERSION, 0, 0, 0},
    };

    for (u32 i = 0; i < 4; i++)
        regs[i] = guest->hypervisor_bit && leaf <= 0x40000001 ? leaves[leaf & 1][i] : 0;
}

/* CR4 is the guest's, but CPUID ran under the host's (OSXSAVE, OSPKE, AESKLE). */
void cpuid_edit(const struct cpuid_context *guest, u32 leaf, u32 subleaf, u32 regs[4])
{
    if (leaf >> 28 == 4) {
        hypervisor_leaf(guest, leaf, regs);
        return;
    }
    switch (leaf) {
    case 0x00000001:
        set_bit(&regs[CPUID_ECX], 27, guest->cr4 & CR4_OSXSAVE);
        if (guest->hypervisor_bit)
            set_bit(&regs[CPUID_ECX], 31, true);
        break;
    case 0x00000019:
        if (guest->intel)
            set_bit(&regs[CPUID_EBX], 0, guest->cr4 & CR4_KL);
        break;
    case 0x00000007:
        if (subleaf == 0)
            set_bit(&regs[CPUID_ECX], 4, guest->cr4 & CR4_PKE);
        if (subleaf == 0 && guest->x2apic_locked)
            set_bit(&regs[CPUID_EDX], 29, true);
        break;
    }
    clear_rows(guest, leaf, subleaf, regs);
}
