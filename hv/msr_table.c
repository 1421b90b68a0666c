#include "msr_table.h"

static const struct actions {
    u8 read, write;
} rules[] = {
    [RULE_PASS] = {MSR_PASS, MSR_PASS},       [RULE_TRAP] = {MSR_TRAP, MSR_TRAP},
    [RULE_TRAP_WRITE] = {MSR_PASS, MSR_TRAP}, [RULE_DENY] = {MSR_GP, MSR_GP},
    [RULE_LOCKED] = {MSR_PASS, MSR_GP},       [RULE_FROZEN] = {MSR_PASS, MSR_IGNORE},
};

static const char reason_unknown[] = "not in the table";
static const char reason_newer[] = "not in the table, processor newer";

static bool applies(const struct msr_row *row, u32 family)
{
    return !row->last_family || (family >= row->first_family && family <= row->last_family);
}

static bool holds(const struct msr_row *row, u32 msr)
{
    return msr >= row->first && msr <= row->last && (msr - row->first) % row->step == 0;
}

/* The row's rule, unless the PMU's mode or a grant stands over it. */
static struct actions row_actions(const struct msr_context *cpu, const struct msr_row *row)
{
    static const struct actions pass = {MSR_PASS, MSR_PASS}, nothing = {MSR_IGNORE, MSR_IGNORE};
    bool pmu = row->feature == FEATURE_PMU || row->feature == FEATURE_PMU_SELECTOR;

    if (pmu && cpu->pmu == PMU_OFF)
        return nothing;
    if ((pmu && cpu->pmu == PMU_FULL) || feature_granted(cpu->granted, row->feature))
        return pass;
    return rules[row->rule];
}

static struct msr_verdict row_verdict(const struct msr_context *cpu, const struct msr_row *row)
{
    struct actions actions = row_actions(cpu, row);

    return (struct msr_verdict){actions.read, actions.write, true, row->reason};
}

static struct msr_verdict default_verdict(const struct msr_context *cpu)
{
    if (cpu->unknown_gp && cpu->family > MSR_ROWS_AMD_NEWEST)
        return (struct msr_verdict){MSR_GP, MSR_GP, false, reason_newer};
    return (struct msr_verdict){MSR_PASS, MSR_PASS, false, reason_unknown};
}

struct msr_verdict msr_judge(const struct msr_context *cpu, u32 msr)
{
    for (u32 i = 0; i < msr_rows_amd_count; i++)
        if (holds(&msr_rows_amd[i], msr) && applies(&msr_rows_amd[i], cpu->family))
            return row_verdict(cpu, &msr_rows_amd[i]);
    return default_verdict(cpu);
}

/* Where an MSR's two bits are in the map, or -1. */
static int map_bit(u32 msr)
{
    static const u32 bases[] = {0, 0xc0000000, 0xc0010000};

    for (u32 i = 0; i < COUNT(bases); i++)
        if (msr - bases[i] < 0x2000)
            return (int)(i * 0x4000 + (msr - bases[i]) * 2);
    return -1;
}

static void set_intercepts(u8 *map, u32 msr, struct msr_verdict verdict)
{
    int bit = map_bit(msr);
    u32 intercepts = (verdict.read != MSR_PASS) | (u32)(verdict.write != MSR_PASS) << 1;

    if (bit < 0)
        return;
    map[bit / 8] &= (u8) ~(3U << bit % 8);
    map[bit / 8] |= (u8)(intercepts << bit % 8);
}

void msr_bitmap_svm(u8 map[8192], const struct msr_context *cpu)
{
    u8 fill = default_verdict(cpu).write == MSR_PASS ? 0 : 0xff;

    for (u32 i = 0; i < 8192; i++)
        map[i] = i < 3 * 0x800 ? fill : 0xff;
    for (u32 i = 0; i < msr_rows_amd_count; i++) {
        const struct msr_row *row = &msr_rows_amd[i];

        if (applies(row, cpu->family))
            for (u32 msr = row->first; msr <= row->last; msr += row->step)
                set_intercepts(map, msr, row_verdict(cpu, row));
    }
}
