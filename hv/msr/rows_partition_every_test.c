/* Every MSR, and what is none, as a partition meets it: what is its own core's, and stands for the
 * machine's. Of what is its own it gets what the vendor's rows say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "msr/rows_amd.c"
#include "msr/rows_partition.c"
#include "msr/rows_intel.c"
#include "msr/msr_table.c"
#include "fake/msr_lists.h"

#define OWN         MSR_PASS, MSR_PASS /* as the machine's tenant */
#define TRAP_FROZEN MSR_TRAP, MSR_IGNORE

static const struct msr_list lists[] = {
    MSRS(1, OWN, FEATURE_NONE, 0, {0x3a, 0x3a}, {0x48, 0x49}, {0x10b, 0x10b}, {0x122, 0x122},
         {0x140, 0x140}, {0x174, 0x176}, {0x1c4, 0x1c5}, {0x1d9, 0x1d9}, {0x277, 0x277},
         {0x6a0, 0x6a0}, {0x6a2, 0x6a2}, {0x6a4, 0x6a8}, {0x6e0, 0x6e1}, {0xd90, 0xd90},
         {0xda0, 0xda0}, {0xc0000080, 0xc0000084}, {0xc0000100, 0xc0000103},
         {0xc001011f, 0xc001011f}),
    MSRS(1, OWN, FEATURE_NONE, 0, {0x800, 0x834}, {0x837, 0x840}, {0x842, 0x8ff}), /* x2APIC */
    MSRS(1, OWN, FEATURE_PMU, 0, {0xc1, 0xca}, {0x186, 0x18f}, {0x1a6, 0x1a7}, {0x309, 0x318},
         {0x329, 0x329}, {0x345, 0x345}, {0x38d, 0x393}, {0x3f6, 0x3f7}, {0x4c1, 0x4ca},
         {0x1328, 0x1329}, {0x1900, 0x19bf}, {0xc0000300, 0xc0000303}, {0xc0010000, 0xc0010007},
         {0xc0010200, 0xc001020b}),
    MSRS(1, OWN, FEATURE_CYCLES, 0, {0xe7, 0xe8}, {0xc00000e7, 0xc00000e8}),
    MSRS(1, OWN, FEATURE_IRPERF, 0, {0xc00000e9, 0xc00000e9}),
    MSRS(1, OWN, FEATURE_LBR, 0, {0x40, 0x47}, {0x60, 0x67}, {0x1c8, 0x1c9}, {0x1db, 0x1de},
         {0x680, 0x69f}, {0x6c0, 0x6df}, {0xdc0, 0xddf}, {0x1200, 0x121f}, {0x14ce, 0x14cf},
         {0x1500, 0x151f}, {0x1600, 0x161f}),
    MSRS(1, OWN, FEATURE_PEBS, 0, {0x3f1, 0x3f2}, {0x600, 0x600}),
    MSRS(1, OWN, FEATURE_LBR_STACK, 0, {0xc000010e, 0xc000010f}, {0xc0010300, 0xc001037f}),
    MSRS(1, OWN, FEATURE_IBS, 0, {0xc0011030, 0xc001103f}),
    MSRS(1, OWN, FEATURE_SVM, 0, {0xc0010114, 0xc0010114}),

    /* The machine's: its clock, its wires (LVT LINT0 and 1, AMD's extended APIC), its modes. */
    MSRS(1, FROZEN, FEATURE_NONE, 0, {0x10, 0x10}, {0x3b, 0x3b}, {0x8b, 0x8b}, {0x835, 0x836},
         {0x841, 0x841}, {0xc0010015, 0xc0010015}, {0xc0011029, 0xc0011029}),
    MSRS(1, READ_ONLY, FEATURE_NONE, 0, {0x17, 0x17}, {0xc0010140, 0xc0010141}),
    MSRS(1, TRAPPED, FEATURE_NONE, 0, {0x1b, 0x1b}),
    MSRS(1, EDITED, FEATURE_NONE, 0, {0xbd, 0xbd}, {0x10a, 0x10a}),
    MSRS(1, TRAP_FROZEN, FEATURE_NONE, 0, {0x1a0, 0x1a0}, {0x2ff, 0x2ff}),

    /* What a partition has none of: MTRRs, machine check banks, energy bias, encryption, PCI. */
    MSRS(1, ZEROED, FEATURE_NONE, 0, {0xfe, 0xfe}, {0x179, 0x17a}, {0x1b0, 0x1b0},
         {0xc0010010, 0xc0010010}, {0xc0010058, 0xc0010058}),
};

static void check_msr(const struct msr_context *cpu, u32 msr)
{
    const struct msr_list *list = list_of(lists, COUNT(lists), msr, PART_OTHER);
    struct msr_context tenant = *cpu;
    struct msr_verdict machine, got = msr_judge(cpu, msr);

    tenant.partition = false;
    machine = msr_judge(&tenant, msr);
    if (!list)
        machine.read = machine.write = MSR_GP;
    else if (list->read != MSR_PASS || list->write != MSR_PASS) {
        machine.read = list->read;
        machine.write = list->write;
    }
    if (got.read != machine.read || got.write != machine.write)
        fail_msg("%x, vendor %u: %u %u", msr, cpu->vendor, got.read, got.write);
}

/* Of MSRs 0-1FFF and C0000000-C0001FFF, reads and writes (SDM 25.6.9). */
static void check_vmx_map(const struct msr_context *cpu)
{
    static u8 map[4096];

    msr_bitmap_vmx(map, cpu);
    for (u32 i = 0; i < 0x4000; i++) {
        struct msr_verdict verdict = msr_judge(cpu, (i & 0x1fff) + (i >> 13) * 0xc0000000);

        assert_int_equal(map[i / 8] >> i % 8 & 1, verdict.read != MSR_PASS);
        assert_int_equal(map[0x800 + i / 8] >> i % 8 & 1, verdict.write != MSR_PASS);
    }
}

static void every_msr_is_as_listed(void **state)
{
    (void)state;
    for (u32 n = 0; n < 8; n++) {
        struct msr_context cpu = {.vendor = n & 1 ? CPU_INTEL : CPU_AMD,
                                  .family = n & 1 ? 6 : 0x19,
                                  .model = 0x8f,
                                  .pmu = n & 2 ? PMU_FULL : PMU_FILTERED,
                                  .granted = n & 4 ? ~0U : 0,
                                  .partition = true,
                                  .fixed_restricted = true,
                                  .police_icr = true};

        check_all_msrs(&cpu, check_msr);
        if (n & 1)
            check_vmx_map(&cpu);
    }
}

static void rows_name_their_feature(void **state)
{
    (void)state;
    check_features(&msr_rows_partition, lists, COUNT(lists));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_msr_is_as_listed),
        cmocka_unit_test(rows_name_their_feature),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
