#include "msr/msr_table.h"

static const struct actions {
    u8 read, write;
} rules[] = {
    [RULE_PASS] = {MSR_PASS, MSR_PASS},       [RULE_TRAP] = {MSR_TRAP, MSR_TRAP},
    [RULE_TRAP_WRITE] = {MSR_PASS, MSR_TRAP}, [RULE_TRAP_READ] = {MSR_TRAP, MSR_GP},
    [RULE_ICR] = {MSR_PASS, MSR_TRAP},        [RULE_DENY] = {MSR_GP, MSR_GP},
    [RULE_ZERO] = {MSR_IGNORE, MSR_IGNORE},   [RULE_LOCKED] = {MSR_PASS, MSR_GP},
    [RULE_FROZEN] = {MSR_PASS, MSR_IGNORE},   [RULE_TRAP_FROZEN] = {MSR_TRAP, MSR_IGNORE},
};

#define AMD_NEWEST 0x1a /* the newest family whose documentation the rows know */

/* Intel's models do not count upwards with time, so those that the rows know are listed: family 6
 * from Nehalem on, which has EPT. A model that is not here is newer. */
static const struct intel_model {
    u8 model, part;
} intel_models[] = {
    {0x1a, PART_UNCORE_391}, {0x1e, PART_UNCORE_391}, {0x1f, PART_UNCORE_391}, /* Nehalem */
    {0x25, PART_UNCORE_391}, {0x2c, PART_UNCORE_391},                          /* Westmere */
    {0x2e, PART_NHM_EX},     {0x2f, PART_NHM_EX},     {0x2a, PART_UNCORE_391},
    {0x3a, PART_UNCORE_391}, /* Sandy Bridge, Ivy Bridge */
    {0x2d, PART_SNB_EP},     {0x3e, PART_SNB_EP},     {0x3c, PART_UNCORE_391},
    {0x45, PART_UNCORE_391}, {0x46, PART_UNCORE_391},                     /* Haswell */
    {0x3d, PART_UNCORE_391}, {0x47, PART_UNCORE_391},                     /* Broadwell */
    {0x3f, PART_OTHER},      {0x4f, PART_OTHER},      {0x56, PART_OTHER}, /* their servers */
    {0x4e, PART_OTHER},      {0x5e, PART_OTHER},      {0x55, PART_OTHER}, /* Skylake */
    {0x8e, PART_OTHER},      {0x9e, PART_OTHER},      {0xa5, PART_OTHER}, /* Kaby to Comet Lake */
    {0xa6, PART_OTHER},      {0x66, PART_OTHER},                          /* Cannon Lake */
    {0x7d, PART_OTHER},      {0x7e, PART_OTHER},      {0x9d, PART_OTHER}, /* Ice Lake */
    {0x6a, PART_OTHER},      {0x6c, PART_OTHER},      {0xa7, PART_OTHER}, /* Rocket Lake */
    {0x8c, PART_OTHER},      {0x8d, PART_OTHER},                          /* Tiger Lake */
    {0x8f, PART_OTHER},      {0xcf, PART_OTHER}, /* Sapphire, Emerald Rapids */
    {0xad, PART_OTHER},      {0xae, PART_OTHER}, /* Granite Rapids */
    {0x8a, PART_OTHER},      {0x97, PART_OTHER},      {0x9a, PART_OTHER}, /* Alder Lake */
    {0xb7, PART_OTHER},      {0xba, PART_OTHER},      {0xbf, PART_OTHER}, /* Raptor Lake */
    {0xaa, PART_OTHER},      {0xac, PART_OTHER},                          /* Meteor Lake */
    {0xb5, PART_OTHER},      {0xc5, PART_OTHER},      {0xc6, PART_OTHER}, /* Arrow Lake */
    {0xbd, PART_OTHER},      {0xcc, PART_OTHER},      {0xd5, PART_OTHER}, /* Lunar, Panther Lake */
    {0x37, PART_OTHER},      {0x4a, PART_OTHER},      {0x4d, PART_OTHER}, /* Silvermont */
    {0x5a, PART_OTHER},      {0x5d, PART_OTHER},      {0x4c, PART_OTHER}, /* Airmont */
    {0x5c, PART_OTHER},      {0x5f, PART_OTHER},      {0x7a, PART_OTHER}, /* Goldmont */
    {0x86, PART_SNR},        {0x96, PART_OTHER},      {0x9c, PART_OTHER}, /* Tremont */
    {0xbe, PART_OTHER},      {0xaf, PART_OTHER},      {0xb6, PART_OTHER}, /* Gracemont, Crestmont */
    {0xdd, PART_OTHER},      {0x57, PART_OTHER},      {0x85, PART_OTHER}, /* Darkmont, Xeon Phi */
};

static const struct intel_model *intel_model(const struct msr_context *cpu)
{
    for (u32 i = 0; cpu->family == 6 && i < COUNT(intel_models); i++)
        if (intel_models[i].model == cpu->model)
            return &intel_models[i];
    return NULL;
}

static bool is_newer(const struct msr_context *cpu)
{
    return cpu->vendor == CPU_AMD ? cpu->family > AMD_NEWEST : !intel_model(cpu);
}

static u8 part_of(const struct msr_context *cpu)
{
    const struct intel_model *model;

    if (cpu->vendor == CPU_AMD)
        return cpu->family == 0x15 ? PART_AMD_15 : cpu->family == 0x16 ? PART_AMD_16 : PART_OTHER;
    model = intel_model(cpu);
    return model ? model->part : PART_OTHER;
}

static const struct msr_rows *rows_of(const struct msr_context *cpu)
{
    return cpu->vendor == CPU_AMD ? &msr_rows_amd : &msr_rows_intel;
}

static bool applies(const struct msr_context *cpu, const struct msr_row *row)
{
    return !row->parts || (row->parts & part_of(cpu));
}

static bool holds(const struct msr_row *row, u32 msr)
{
    return msr >= row->first && msr <= row->last && (msr - row->first) % row->step == 0;
}

/* What belongs to the core PMU, so that PMU_OFF takes it away; PMU_FULL gives all of it but other
 * cores' affairs. */
static bool is_pmu(u8 feature)
{
    return feature == FEATURE_PMU || feature == FEATURE_PMU_SELECTOR ||
           feature == FEATURE_PMU_FIXED || feature == FEATURE_OFFCORE;
}

/* Whether the guest's own matters stand over the row's rule. */
static bool given(const struct msr_context *cpu, const struct msr_row *row)
{
    return (is_pmu(row->feature) && row->feature != FEATURE_OFFCORE && cpu->pmu == PMU_FULL) ||
           (row->feature == FEATURE_PMU_FIXED && !cpu->fixed_restricted) ||
           (row->rule == RULE_ICR && !cpu->police_icr) ||
           feature_granted(cpu->granted, row->feature);
}

/* A driver that found a feature does not expect its registers to be gone. */
static bool lost(const struct msr_context *cpu, const struct msr_row *row)
{
    return row->rule == RULE_DENY && (cpu->withdrawn & BIT(row->feature));
}

static struct msr_verdict row_verdict(const struct msr_context *cpu, const struct msr_row *row)
{
    struct actions actions = given(cpu, row)  ? rules[RULE_PASS]
                             : lost(cpu, row) ? rules[RULE_ZERO]
                                              : rules[row->rule];

    if (is_pmu(row->feature) && cpu->pmu == PMU_OFF)
        actions = rules[RULE_ZERO];
    return (struct msr_verdict){actions.read, actions.write, true};
}

static struct msr_verdict default_verdict(const struct msr_context *cpu)
{
    if (cpu->unknown_gp && is_newer(cpu))
        return (struct msr_verdict){MSR_GP, MSR_GP, false};
    return (struct msr_verdict){MSR_PASS, MSR_PASS, false};
}

static struct msr_verdict judge_machine(const struct msr_context *cpu, u32 msr)
{
    const struct msr_rows *table = rows_of(cpu);

    for (u32 i = 0; i < table->count; i++)
        if (holds(&table->rows[i], msr) && applies(cpu, &table->rows[i]))
            return row_verdict(cpu, &table->rows[i]);
    return default_verdict(cpu);
}

struct msr_verdict msr_judge(const struct msr_context *cpu, u32 msr)
{
    struct msr_verdict verdict = judge_machine(cpu, msr);

    if (!cpu->partition)
        return verdict;
    for (u32 i = 0; i < msr_rows_partition.count; i++) {
        const struct msr_row *row = &msr_rows_partition.rows[i];

        if (!holds(row, msr))
            continue;
        if (row->rule == RULE_PASS)
            return verdict;
        verdict.read = rules[row->rule].read;
        verdict.write = rules[row->rule].write;
        return verdict;
    }
    verdict.read = verdict.write = MSR_GP;
    return verdict;
}

typedef void set_intercepts(u8 *map, u32 msr, struct msr_verdict verdict);

/* Only a hypervisor's own are there: they exit whatever a map says. */
static bool beyond_maps(const struct msr_row *row)
{
    return row->first >> 30 == 1;
}

/* Sets a map by its rows; it has been filled with what holds for MSRs that no row names. */
static void apply_rows(u8 *map, const struct msr_context *cpu, set_intercepts *set)
{
    const struct msr_rows *table = cpu->partition ? &msr_rows_partition : rows_of(cpu);

    for (u32 i = 0; i < table->count; i++) {
        const struct msr_row *row = &table->rows[i];

        if (applies(cpu, row) && !beyond_maps(row))
            for (u32 msr = row->first; msr <= row->last; msr += row->step)
                set(map, msr, cpu->partition ? msr_judge(cpu, msr) : row_verdict(cpu, row));
    }
}

static u8 default_fill(const struct msr_context *cpu)
{
    return !cpu->partition && default_verdict(cpu).write == MSR_PASS ? 0 : 0xff;
}

/* Where an MSR's two bits are in AMD's map, or -1. */
static int svm_bit(u32 msr)
{
    static const u32 bases[] = {0, 0xc0000000, 0xc0010000};

    for (u32 i = 0; i < COUNT(bases); i++)
        if (msr - bases[i] < 0x2000)
            return (int)(i * 0x4000 + (msr - bases[i]) * 2);
    return -1;
}

static void svm_set(u8 *map, u32 msr, struct msr_verdict verdict)
{
    int bit = svm_bit(msr);
    u32 intercepts = (verdict.read != MSR_PASS) | (u32)(verdict.write != MSR_PASS) << 1;

    if (bit < 0)
        return;
    map[bit / 8] &= (u8) ~(3U << bit % 8);
    map[bit / 8] |= (u8)(intercepts << bit % 8);
}

void msr_bitmap_svm(u8 map[8192], const struct msr_context *cpu)
{
    for (u32 i = 0; i < 8192; i++)
        map[i] = i < 3 * 0x800 ? default_fill(cpu) : 0xff;
    apply_rows(map, cpu, svm_set);
}

static void set_bit(u8 *map, u32 bit, bool value)
{
    map[bit / 8] = (u8)((map[bit / 8] & ~(1U << bit % 8)) | (u32)value << bit % 8);
}

static void vmx_set(u8 *map, u32 msr, struct msr_verdict verdict)
{
    u32 bit = (msr & 0x1fff) + (msr >= 0xc0000000 ? 0x2000 : 0);

    if (msr - 0xc0000000 >= 0x2000 && msr >= 0x2000)
        return;
    set_bit(map, bit, verdict.read != MSR_PASS);
    set_bit(map, bit + 0x4000, verdict.write != MSR_PASS);
}

void msr_bitmap_vmx(u8 map[4096], const struct msr_context *cpu)
{
    for (u32 i = 0; i < 4096; i++)
        map[i] = default_fill(cpu);
    apply_rows(map, cpu, vmx_set);
}
