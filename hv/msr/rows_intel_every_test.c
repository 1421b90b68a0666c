/* Every MSR of Intel's, and what is none: what a guest gets of it (SDM volume 4; its chapters on
 * models for what a number means where). rows_intel_test.c says why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "msr/rows_amd.c"
#include "msr/rows_partition.c"
#include "msr/rows_intel.c"
#include "msr/msr_table.c"
#include "fake/msr_grants.h"

#define NOT(parts)    ((u8) ~(parts))
#define NEHALEM_EX    PART_NHM_EX
#define UNCORE_AT_C00 (PART_NHM_EX | PART_SNB_EP)

static const struct msr_list lists[] = {
    /* The tenant's own: table 2-2's architectural MSRs, and the models' that kernels use. */
    MSRS(1, PASSES, FEATURE_NONE, 0, {0x0, 0x1}, {0x6, 0x6}, {0x10, 0x10}, {0x17, 0x17},
         {0x2a, 0x2a}, {0x33, 0x35}, {0x3b, 0x3b}, {0x48, 0x49}, {0x4e, 0x4f}, {0x7a, 0x7b},
         {0x8b, 0x8b}, {0xbc, 0xbd}, {0xcd, 0xce}, {0xe1, 0xe4}, {0xfe, 0xfe}, {0x10a, 0x10b},
         {0x10f, 0x10f}, {0x11e, 0x11e}, {0x122, 0x123}, {0x13a, 0x13c}, {0x140, 0x140},
         {0x150, 0x150}, {0x174, 0x176}, {0x179, 0x17b}, {0x17d, 0x17d}, {0x17f, 0x17f},
         {0x277, 0x277}, {0x300, 0x300}, {0x4d0, 0x4d0}, {0x6e0, 0x6e1}, {0x985, 0x98a}),
    MSRS(1, PASSES, FEATURE_NONE, 0, {0x280, 0x29f}, {0x400, 0x47f}), /* machine check banks */
    MSRS(1, PASSES, FEATURE_NONE, 0, {0x198, 0x19c}, {0x1a1, 0x1a2}, {0x1a4, 0x1a4}, {0x1aa, 0x1aa},
         {0x1ad, 0x1b2}, {0x1f8, 0x1fa}, {0x1fc, 0x1fc}, {0x3f8, 0x3ff}, {0x601, 0x610},
         {0x612, 0x618}, {0x61a, 0x638}, {0x63a, 0x640}, {0x642, 0x64c}, {0x64f, 0x662},
         {0x770, 0x777}, {0x17d1, 0x17da}), /* frequency, power, heat */
    MSRS(1, PASSES, FEATURE_NONE, 0, {0x1c4, 0x1c5}, {0x6a0, 0x6a0}, {0x6a2, 0x6a2}, {0x6a4, 0x6a8},
         {0xc0000080, 0xc0000084}, {0xc0000100, 0xc0000103}), /* state of a thread */
    MSRS(1, PASSES, FEATURE_NONE, 0, {0x800, 0x82f}, {0x831, 0x8ff}),
    MSRS(1, PASSES, FEATURE_NONE, NOT(NEHALEM_EX), {0xc80, 0xc83}, {0xc8f, 0xcff}),
    MSRS(1, PASSES, FEATURE_NONE, NOT(UNCORE_AT_C00), {0xd10, 0xd90}, {0xd93, 0xd93},
         {0xdb0, 0xdb2}),

    /* Changed on their way. */
    MSRS(1, WRITES_TRAPPED, FEATURE_NONE, 0, {0x1b, 0x1b}, {0x79, 0x79}, {0x1d9, 0x1d9},
         {0x830, 0x830}, {0x17d0, 0x17d0}),
    MSRS(1, WRITES_TRAPPED, FEATURE_NONE, 0, {0x200, 0x21f}, {0x250, 0x250}, {0x258, 0x259},
         {0x268, 0x26f}, {0x2ff, 0x2ff}), /* MTRRs */
    MSRS(1, WRITES_TRAPPED, FEATURE_NONE, NOT(UNCORE_AT_C00), {0xda0, 0xda0}),
    MSRS(1, TRAPPED, FEATURE_NONE, 0, {0x1a0, 0x1a0}),
    MSRS(1, EDITED, FEATURE_NONE, 0, {0xcf, 0xcf}, {0x345, 0x345}),
    MSRS(1, EDITED, FEATURE_VMX, 0, {0x3a, 0x3a}),

    /* Memory of SMM, enclaves, trust domains; its encryption. */
    MSRS(1, READ_ONLY, FEATURE_NONE, 0, {0x80, 0x80}, {0x1f2, 0x1f7}, {0x2a0, 0x2a7},
         {0x2f4, 0x2f5}, {0x4e0, 0x4e0}, {0x981, 0x984}, {0x1400, 0x1401}),

    /* The core PMU (SDM 20.2; 20.2.6 for the aliases from 1900H on). */
    MSRS(1, PASSES, FEATURE_PMU, 0, {0xc1, 0xca}, {0x309, 0x318}, {0x329, 0x329}, {0x38e, 0x390},
         {0x4c1, 0x4ca}),
    MSRS(4, PASSES, FEATURE_PMU, 0, {0x1900, 0x1924}, {0x1980, 0x19bc}),
    MSRS(1, PASSES, FEATURE_PMU, NOT(PART_UNCORE_391), {0x391, 0x392}),
    MSRS(1, TRAPPED, FEATURE_PMU_SELECTOR, 0, {0x186, 0x18f}, {0x3f6, 0x3f7}),
    MSRS(4, TRAPPED, FEATURE_PMU_SELECTOR, 0, {0x1901, 0x1925}),
    MSRS(1, TRAPPED, FEATURE_PMU_FIXED, 0, {0x38d, 0x38d}),
    MSRS(1, TRAPPED, FEATURE_OFFCORE, 0, {0x1a6, 0x1a7}, {0x3e0, 0x3e3}, {0x1328, 0x1329}),
    MSRS(1, DENIED, FEATURE_NONE, 0, {0x190, 0x197}, {0x1928, 0x197f}, {0x19c0, 0x19ff}),
    MSRS(4, DENIED, FEATURE_NONE, 0, {0x1981, 0x19bd}),
    MSRS(1, DENIED, FEATURE_PEBS, 0, {0x3f1, 0x3f2}, {0x600, 0x600}),
    MSRS(1, DENIED, FEATURE_STORES, 0, {0x3f4, 0x3f5}, {0x1309, 0x1318}, {0x14c1, 0x14ca}),
    MSRS(4, DENIED, FEATURE_STORES, 0, {0x1902, 0x1926}, {0x1903, 0x1927}, {0x1982, 0x19be},
         {0x1983, 0x19bf}),

    /* Its relatives. */
    MSRS(1, ZEROED, FEATURE_CYCLES, 0, {0xe7, 0xe8}, {0x64e, 0x64e}),
    MSRS(1, ZEROED, FEATURE_LBR, 0, {0x40, 0x47}, {0x60, 0x67}, {0x1c8, 0x1c9}, {0x1db, 0x1de},
         {0x680, 0x69f}, {0x6c0, 0x6df}),
    MSRS(1, ZEROED, FEATURE_LBR, NOT(UNCORE_AT_C00), {0xdc0, 0xddf}),
    MSRS(1, DENIED, FEATURE_LBR, 0, {0x1200, 0x121f}, {0x14ce, 0x14cf}, {0x1500, 0x151f},
         {0x1600, 0x161f}),
    MSRS(1, DENIED, FEATURE_PT, 0, {0x560, 0x561}, {0x570, 0x572}, {0x580, 0x587}),
    MSRS(1, DENIED, FEATURE_QOS_MONITOR, NOT(NEHALEM_EX), {0xc8d, 0xc8e}),
    MSRS(1, ZEROED, FEATURE_POWER, 0, {0x611, 0x611}, {0x619, 0x619}, {0x639, 0x639},
         {0x641, 0x641}, {0x64d, 0x64d}),
    MSRS(1, ZEROED, FEATURE_UNCORE, 0, {0x394, 0x397}, {0x3b0, 0x3b7}, {0x700, 0x76f},
         {0xa40, 0xbff}, {0xe00, 0xfff}, {0x2000, 0x3fff}),
    MSRS(1, ZEROED, FEATURE_UNCORE, PART_UNCORE_391, {0x391, 0x393}, {0x3c0, 0x3c7}),
    MSRS(1, ZEROED, FEATURE_UNCORE, UNCORE_AT_C00, {0xc00, 0xc7f}, {0xd00, 0xdff}),
    MSRS(1, ZEROED, FEATURE_UNCORE, NEHALEM_EX, {0xc80, 0xcff}),
    MSRS(1, ZEROED, FEATURE_UNCORE, PART_SNR, {0x1c00, 0x1fff}),

    /* What a guest must not run on its own, and what an outer hypervisor would answer. */
    MSRS(1, DENIED, FEATURE_MSR_FORMS, 0, {0x1c, 0x1c}),
    MSRS(1, DENIED, FEATURE_SGX, 0, {0x8c, 0x8f}, {0x500, 0x503}),
    MSRS(1, DENIED, FEATURE_VMX, 0, {0x9b, 0x9b}, {0x480, 0x493}),
    MSRS(1, DENIED, FEATURE_FRED, 0, {0x1cc, 0x1d4}),
    MSRS(1, DENIED, FEATURE_NONE, 0, {0x9e, 0x9e}, {0xed, 0xf0}),
    MSRS(1, DENIED, FEATURE_NONE, 0, {0x11, 0x12}, {0x40000000, 0x4000ffff},
         {0x4b564d00, 0x4b564dff}),
};

/* By part, as Linux' uncore drivers tell models apart, and its list of families. */
static const u8 client_uncore_391[] = {0x1a, 0x1e, 0x1f, 0x25, 0x2c, 0x2a,
                                       0x3a, 0x3c, 0x45, 0x46, 0x3d, 0x47},
                nehalem_ex[] = {0x2e, 0x2f}, sandy_bridge_ep[] = {0x2d, 0x3e},
                snow_ridge[] = {0x86},
                others[] = {0x3f, 0x4f, 0x56, /* Haswell, Broadwell servers */
                            0x4e, 0x5e, 0x55, 0x8e, 0x9e, 0xa5, 0xa6, /* Skylake to Comet Lake */
                            0x66, 0x7d, 0x7e, 0x9d, 0x6a, 0x6c,       /* Cannon Lake, Ice Lake */
                            0xa7, 0x8c, 0x8d,                         /* Rocket Lake, Tiger Lake */
                            0x8f, 0xcf, 0xad, 0xae,             /* Sapphire to Granite Rapids */
                            0x8a, 0x97, 0x9a, 0xb7, 0xba, 0xbf, /* Alder, Raptor Lake */
                            0xaa, 0xac, 0xb5, 0xc5, 0xc6, 0xbd, 0xcc, 0xd5, /* Meteor Lake on */
                            0x37, 0x4a, 0x4d, 0x5a, 0x5d, 0x4c, /* Silvermont, Airmont */
                            0x5c, 0x5f, 0x7a, 0x96, 0x9c,       /* Goldmont, Tremont */
                            0xbe, 0xaf, 0xb6, 0xdd,             /* E-cores alone */
                            0x57, 0x85};                        /* Xeon Phi */

static bool is_of(const u8 *models, u32 count, u32 model)
{
    return memchr(models, (int)model, count);
}

#define IS_OF(models, model) is_of(models, COUNT(models), model)

/* 0: newer than the table. */
static u8 part_by_manuals(u32 model)
{
    return IS_OF(client_uncore_391, model) ? PART_UNCORE_391
           : IS_OF(nehalem_ex, model)      ? PART_NHM_EX
           : IS_OF(sandy_bridge_ep, model) ? PART_SNB_EP
           : IS_OF(snow_ridge, model)      ? PART_SNR
           : IS_OF(others, model)          ? PART_OTHER
                                           : 0;
}

static struct msr_context restricted(u32 model)
{
    return (struct msr_context){.vendor = CPU_INTEL,
                                .family = 6,
                                .model = (u16)model,
                                .fixed_restricted = true,
                                .police_icr = true};
}

static void check_msr(const struct msr_context *cpu, u32 msr)
{
    u8 part = part_by_manuals(cpu->model);

    expect_listed(cpu, list_of(lists, COUNT(lists), msr, part ? part : PART_OTHER), msr);
}

static const u8 one_of_each[] = {0x55, 0x2c, 0x2f, 0x3e, 0x86, 0xfe};

static void every_msr_is_as_listed(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(one_of_each); i++) {
        struct msr_context cpu = restricted(one_of_each[i]);

        check_all_msrs(&cpu, check_msr);
    }
}

static void grants_and_modes_change_their_own_msrs(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(one_of_each); i++) {
        u8 part = part_by_manuals(one_of_each[i]);

        check_grants(restricted(one_of_each[i]), part ? part : PART_OTHER, lists, COUNT(lists));
    }
}

static void rows_name_what_cpuid_hides(void **state)
{
    (void)state;
    check_features(&msr_rows_intel, lists, COUNT(lists));
}

static void each_model_is_of_its_part(void **state)
{
    (void)state;
    for (u32 model = 0; model < 256; model++) {
        struct msr_context cpu = restricted(model);
        u8 part = part_by_manuals(model);

        assert_int_equal(part_of(&cpu), part ? part : PART_OTHER);
        cpu.unknown_gp = true;
        assert_int_equal(msr_judge(&cpu, 2).read, part ? MSR_PASS : MSR_GP);
        cpu.family = 5; /* other families have other models */
        assert_int_equal(part_of(&cpu), PART_OTHER);
        assert_int_equal(msr_judge(&cpu, 2).read, MSR_GP);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_msr_is_as_listed),
        cmocka_unit_test(grants_and_modes_change_their_own_msrs),
        cmocka_unit_test(rows_name_what_cpuid_hides),
        cmocka_unit_test(each_model_is_of_its_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
