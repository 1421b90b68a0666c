/* Every MSR of AMD's, and what is none: what a guest gets of it (APM volume 2, appendix A; the PPRs
 * of families 10h to 1Ah). msr_table_test.c says why. */
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

static const struct msr_list lists[] = {
    /* The tenant's own. */
    MSRS(1, PASSES, FEATURE_NONE, 0, {0x0, 0x1}, {0x10, 0x10}, {0x3b, 0x3b}, {0x48, 0x49},
         {0x8b, 0x8b}, {0xfe, 0xfe}, {0x10a, 0x10b}, {0x174, 0x176}, {0x277, 0x277}, {0x6e0, 0x6e0},
         {0xc0000108, 0xc0000108}, {0xc001001b, 0xc001001b}, {0xc001001f, 0xc0010020},
         {0xc0010030, 0xc0010035}, {0xc001011f, 0xc001011f}, {0xc0010140, 0xc0010141},
         {0xc0010280, 0xc0010280}, {0xc00102f0, 0xc00102f1}, {0xc0011002, 0xc0011005},
         {0xc001100c, 0xc001100d}, {0xc0011019, 0xc001101b}, {0xc0011020, 0xc001102f},
         {0xc00110e3, 0xc00110e3}),
    MSRS(1, PASSES, FEATURE_NONE, 0, {0x200, 0x20f}, {0x250, 0x250}, {0x258, 0x259}, {0x268, 0x26f},
         {0x2ff, 0x2ff}), /* MTRRs */
    MSRS(1, PASSES, FEATURE_NONE, 0, {0x179, 0x17b}, {0x400, 0x47f}, {0xc0000408, 0xc0000410},
         {0xc0002000, 0xc0002fff}, {0xc0010022, 0xc0010022}, {0xc0010044, 0xc001004c},
         {0xc0010400, 0xc001043f}), /* machine check */
    MSRS(1, PASSES, FEATURE_NONE, 0, {0xc0010041, 0xc0010042}, {0xc0010050, 0xc0010056},
         {0xc0010060, 0xc001006b}, {0xc0010070, 0xc0010074}, {0xc001011a, 0xc001011a},
         {0xc0010290, 0xc0010298}, {0xc00102b0, 0xc00102b5}), /* frequency, power, SMIs */
    MSRS(1, PASSES, FEATURE_NONE, 0, {0x6a0, 0x6a0}, {0x6a2, 0x6a2}, {0x6a4, 0x6a8}, {0xda0, 0xda0},
         {0xc0000081, 0xc0000084}, {0xc0000100, 0xc0000103}), /* state of a thread */
    MSRS(1, PASSES, FEATURE_NONE, 0, {0x800, 0x82f}, {0x831, 0x8ff}),
    MSRS(1, PASSES, FEATURE_NONE, 0, {0xc81, 0xc82}, {0xc8f, 0xd4f}, {0xc0000200, 0xc00002ff},
         {0xc00003ff, 0xc00003ff}), /* cache and bandwidth allocation */

    /* Changed on their way. */
    MSRS(1, WRITES_TRAPPED, FEATURE_NONE, 0, {0x1b, 0x1b}, {0x830, 0x830},
         {0xc0010015, 0xc0010015}),
    MSRS(1, TRAPPED, FEATURE_NONE, 0, {0xc0000080, 0xc0000080}),
    MSRS(1, TRAPPED, FEATURE_SVM, 0, {0xc0010114, 0xc0010114}),

    /* Where memory is, and whose. */
    MSRS(1, FROZEN, FEATURE_NONE, 0, {0xc0010010, 0xc0010010}, {0xc0010016, 0xc001001a},
         {0xc001001d, 0xc001001d}, {0xc0010058, 0xc0010058}, {0xc00110a2, 0xc00110a2}),
    MSRS(1, READ_ONLY, FEATURE_NONE, 0, {0xc0010111, 0xc0010113}),

    /* The core PMU (APM 13.2). */
    MSRS(1, PASSES, FEATURE_PMU, 0, {0xc0000300, 0xc0000303}, {0xc0010004, 0xc0010007}),
    MSRS(2, PASSES, FEATURE_PMU, 0, {0xc0010201, 0xc001020b}),
    MSRS(1, TRAPPED, FEATURE_PMU_SELECTOR, 0, {0xc0010000, 0xc0010003}),
    MSRS(2, TRAPPED, FEATURE_PMU_SELECTOR, 0, {0xc0010200, 0xc001020a}),
    MSRS(1, DENIED, FEATURE_NONE, 0, {0xc001020c, 0xc001022f}),

    /* Its relatives. */
    MSRS(1, ZEROED, FEATURE_CYCLES, 0, {0xe7, 0xe8}, {0xc00000e7, 0xc00000e8},
         {0xc0010080, 0xc0010081}),
    MSRS(1, ZEROED, FEATURE_IRPERF, 0, {0xc00000e9, 0xc00000e9}),
    MSRS(1, WRITES_TRAPPED, FEATURE_LBR, 0, {0x1d9, 0x1d9}),
    MSRS(1, ZEROED, FEATURE_LBR, 0, {0x1db, 0x1de}),
    MSRS(1, DENIED, FEATURE_LBR_STACK, 0, {0xc000010e, 0xc000010f}, {0xc0010300, 0xc001037f}),
    MSRS(1, DENIED, FEATURE_IBS, 0, {0xc0011030, 0xc001103f}),
    MSRS(1, DENIED, FEATURE_LWP, PART_AMD_15, {0xc0000105, 0xc0000106}),
    MSRS(1, DENIED, FEATURE_QOS_MONITOR, 0, {0xc8d, 0xc8e}, {0xc00003fd, 0xc00003fe},
         {0xc0000400, 0xc0000401}),
    MSRS(1, DENIED, FEATURE_POWER, 0, {0xc0010299, 0xc001029b}),
    MSRS(1, DENIED, FEATURE_POWER, PART_AMD_15 | PART_AMD_16, {0xc001007a, 0xc001007b}),
    MSRS(1, DENIED, FEATURE_UNCORE, 0, {0xc0010230, 0xc001025f}, {0xc0010800, 0xc00108ff}),

    /* What a guest must not run on its own, and what an outer hypervisor would answer. */
    MSRS(1, DENIED, FEATURE_FRED, 0, {0x1cc, 0x1d4}),
    MSRS(1, DENIED, FEATURE_SVM, 0, {0xc0000104, 0xc0000104}, {0xc0010115, 0xc0010115},
         {0xc0010117, 0xc0010118}, {0xc001011b, 0xc001011b}),
    MSRS(1, DENIED, FEATURE_SEV, 0, {0xc001011e, 0xc001011e}, {0xc0010130, 0xc0010138}),
    MSRS(1, DENIED, FEATURE_NONE, 0, {0xc0010116, 0xc0010116}, {0xc0010119, 0xc0010119}),
    MSRS(1, DENIED, FEATURE_NONE, 0, {0x11, 0x12}, {0x40000000, 0x4000ffff},
         {0x4b564d00, 0x4b564dff}),
};

static u8 part_by_manuals(u32 family)
{
    return family == 0x15 ? PART_AMD_15 : family == 0x16 ? PART_AMD_16 : PART_OTHER;
}

static void check_msr(const struct msr_context *cpu, u32 msr)
{
    expect_listed(cpu, list_of(lists, COUNT(lists), msr, part_by_manuals(cpu->family)), msr);
}

static void every_msr_is_as_listed(void **state)
{
    static const u8 families[] = {0x14, 0x15, 0x16, 0x17, 0x1b};

    (void)state;
    for (u32 i = 0; i < COUNT(families); i++) {
        struct msr_context cpu = {.vendor = CPU_AMD, .family = families[i]};

        check_all_msrs(&cpu, check_msr);
    }
}

static void grants_and_modes_change_their_own_msrs(void **state)
{
    (void)state;
    for (u32 family = 0x10; family <= 0x1b; family++) {
        struct msr_context cpu = {.vendor = CPU_AMD, .family = (u16)family};

        check_grants(cpu, part_by_manuals(family), lists, COUNT(lists));
    }
}

static void rows_name_what_cpuid_hides(void **state)
{
    (void)state;
    check_features(&msr_rows_amd, lists, COUNT(lists));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_msr_is_as_listed),
        cmocka_unit_test(grants_and_modes_change_their_own_msrs),
        cmocka_unit_test(rows_name_what_cpuid_hides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
