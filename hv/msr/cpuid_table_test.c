#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "msr/cpuid_rows.c"
#include "msr/cpuid_table.c"
#include "msr/rows_amd.c"
#include "msr/rows_intel.c"

static const struct cpuid_context nothing_special, on_intel = {.intel = true};

static bool is_plain(bool is_intel, u32 leaf)
{
    return is_intel ? cpuid_plain_intel(leaf) : cpuid_plain_amd(leaf);
}

/* The guest's answer when the hardware has every bit set. */
static void edit_ones(const struct cpuid_context *guest, u32 leaf, u32 subleaf, u32 regs[4])
{
    memset(regs, 0xff, 16);
    cpuid_edit(guest, leaf, subleaf, regs);
}

/* All leaves that exist or may come to, far beyond the table. */
static u32 nth_leaf(u32 n)
{
    static const u32 bases[] = {0, 0x40000000, 0x80000000, 0xc0000000};

    return bases[n / 256] + n % 256;
}

static void check_plain(const struct cpuid_context *guest, u32 leaf)
{
    for (u32 subleaf = 0; is_plain(guest->intel, leaf) && subleaf < 70; subleaf++) {
        u32 regs[4], zeros[4] = {0};

        edit_ones(guest, leaf, subleaf, regs);
        assert_true((regs[0] & regs[1] & regs[2] & regs[3]) == ~0U);
        cpuid_edit(guest, leaf, subleaf, zeros);
        assert_true(!(zeros[0] | zeros[1] | zeros[2] | zeros[3]));
    }
}

static void plain_leaves_are_never_edited(void **state)
{
    struct cpuid_context all = {.cr4 = 0, .hypervisor_bit = true, .pmu_off = true};

    (void)state;
    for (u32 n = 0; n < 2 * 4 * 256; n++) {
        all.intel = n & 1;
        check_plain(&all, nth_leaf(n / 2));
    }
}

static void edited_leaves_are_not_plain(void **state)
{
    (void)state;
    for (u32 i = 0; i < cpuid_rows_amd.count; i++)
        assert_false(cpuid_plain_amd(cpuid_rows_amd.rows[i].leaf));
    for (u32 i = 0; i < cpuid_rows_intel.count; i++)
        assert_false(cpuid_plain_intel(cpuid_rows_intel.rows[i].leaf));
    for (u32 i = 0; i < 2; i++)
        assert_false(is_plain(i, 1) || is_plain(i, 0x40000000) || is_plain(i, 0x40000001));
}

/* On Intel 8000_0001 and 8000_0007 share their bits with 1 and 7. */
static void busy_leaves_are_plain(void **state)
{
    static const u32 busy[] = {0,          2,          4,          5,
                               0xb,        0x10,       0x15,       0x16,
                               0x80000000, 0x80000002, 0x80000003, 0x80000004,
                               0x80000005, 0x80000019, 0x8000001d, 0x8000001e};
    static const u32 busy_intel[] = {
        0,    2,    4,    5,          0xb,        0x10,       0x15,       0x16,
        0x18, 0x1a, 0x1f, 0x80000000, 0x80000002, 0x80000003, 0x80000004, 0x80000008};

    (void)state;
    for (u32 i = 0; i < COUNT(busy); i++)
        assert_true(cpuid_plain_amd(busy[i]));
    for (u32 i = 0; i < COUNT(busy_intel); i++)
        if (!cpuid_plain_intel(busy_intel[i]))
            fail_msg("%x", busy_intel[i]);
}

/* The search stops at the first leaf beyond. */
static void rows_are_in_order(void **state)
{
    (void)state;
    for (u32 i = 1; i < cpuid_rows_amd.count; i++)
        assert_true(cpuid_rows_amd.rows[i - 1].leaf <= cpuid_rows_amd.rows[i].leaf);
    for (u32 i = 1; i < cpuid_rows_intel.count; i++)
        assert_true(cpuid_rows_intel.rows[i - 1].leaf <= cpuid_rows_intel.rows[i].leaf);
}

static const struct hidden {
    u32 leaf, subleaf;
    u32 kept[4];
} hidden[] = {
    {0x00000006, 0, {~0U, ~0U, ~1U, ~0U}},
    {0x00000007, 0, {~0U, ~(1U << 12), ~(1U << 4), ~0U}},
    {0x00000007, 1, {~(1U << 17), ~0U, ~0U, ~0U}},
    {0x00000007, 2, {~0U, ~0U, ~0U, ~0U}},
    {0x0000000d, 0, {~0U, ~0U, ~0U, ~(1U << 30)}},
    {0x0000000d, 1, {~0U, ~0U, ~0U, ~0U}},
    {0x0000000d, 62, {0, 0, 0, 0}},
    {0x0000000f, 0, {0, 0, 0, 0}},
    {0x0000000f, 1, {0, 0, 0, 0}},
    {0x80000001, 0, {~0U, ~0U, 0xeeff6bfb, ~0U}},
    {0x80000007, 0, {~0U, ~0U, 0, 0xffffa3ff}},
    {0x80000008, 0, {~0U, 0x7fdfffe5, ~0U, 0}},
    {0x8000000a, 0, {0, 0, 0, 0}},
    {0x8000001b, 0, {0, 0, 0, 0}},
    {0x8000001c, 0, {0, 0, 0, 0}},
    {0x8000001f, 0, {0, 0, 0, 0}},
    {0x80000020, 0, {~0U, ~(1U << 3 | 1U << 5), ~0U, ~0U}},
    {0x80000020, 1, {~0U, ~0U, ~0U, ~0U}},
    {0x80000020, 3, {0, 0, 0, 0}},
    {0x80000020, 5, {0, 0, 0, 0}},
    {0x80000021, 0, {~(1U << 17), ~0U, ~0U, ~0U}},
    {0x80000022, 0, {~6U, 0xffc0000f, 0, ~0U}},
    {0x80000023, 0, {0, 0, 0, 0}},
    {0x80000025, 0, {0, 0, 0, 0}},
};

static const struct hidden hidden_intel[] = {
    {0x00000001, 0, {~0U, ~0U, ~(1U << 2 | 1U << 4 | 1U << 5 | 1U << 6 | 1U << 27), ~(1U << 21)}},
    {0x00000006, 0, {~0U, ~0U, ~1U, ~0U}},
    {0x00000007, 0, {~0U, ~(1U << 2 | 1U << 12 | 1U << 25), ~(1U << 4 | 1U << 30), ~(1U << 19)}},
    {0x00000007, 1, {~(1U << 17 | 1U << 27), ~0U, ~(1U << 5), ~(1U << 15)}},
    {0x0000000a, 0, {~0U, ~0U, ~0U, ~0U}},
    {0x0000000d, 0, {~0U, ~0U, ~0U, ~0U}},
    {0x0000000d, 1, {~0U, ~0U, ~(1U << 8 | 1U << 15), ~0U}},
    {0x0000000d, 8, {0, 0, 0, 0}},
    {0x0000000d, 9, {~0U, ~0U, ~0U, ~0U}},
    {0x0000000d, 15, {0, 0, 0, 0}},
    {0x0000000f, 1, {0, 0, 0, 0}},
    {0x00000012, 0, {0, 0, 0, 0}},
    {0x00000014, 0, {0, 0, 0, 0}},
    {0x0000001c, 0, {0, 0, 0, 0}},
    {0x00000023, 0, {~(1U << 2 | 3U << 4), ~0U, ~0U, ~0U}},
    {0x00000023, 1, {~0U, ~0U, ~0U, ~0U}},
    {0x00000023, 2, {0, 0, 0, 0}},
    {0x00000023, 4, {0, 0, 0, 0}},
    {0x00000023, 5, {0, 0, 0, 0}},
    {0x80000001, 0, {~0U, ~0U, ~0U, ~0U}},
};

static void check_hidden(const struct cpuid_context *guest, const struct hidden *row)
{
    u32 regs[4];

    edit_ones(guest, row->leaf, row->subleaf, regs);
    for (u32 reg = 0; reg < 4; reg++)
        if (regs[reg] != row->kept[reg])
            fail_msg("%x.%u register %u: %x", row->leaf, row->subleaf, reg, regs[reg]);
}

static void denied_features_are_hidden(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(hidden); i++)
        check_hidden(&nothing_special, &hidden[i]);
    for (u32 i = 0; i < COUNT(hidden_intel); i++)
        check_hidden(&on_intel, &hidden_intel[i]);
}

static void pmu_off_hides_intels_pmu(void **state)
{
    static const struct hidden off[] = {
        {0x00000001,
         0,
         {~0U, ~0U, ~(1U << 2 | 1U << 4 | 1U << 5 | 1U << 6 | 1U << 15 | 1U << 27), ~(1U << 21)}},
        {0x00000007, 1, {~(1U << 8 | 1U << 17 | 1U << 27), ~0U, ~(1U << 5), ~(1U << 15)}},
        {0x0000000a, 0, {0, 0, 0, 0}},
        {0x00000023, 0, {0, 0, 0, 0}},
        {0x00000023, 1, {0, 0, 0, 0}},
        {0x00000023, 3, {0, 0, 0, 0}},
    };
    const struct cpuid_context guest = {.intel = true, .pmu_off = true};

    (void)state;
    for (u32 i = 0; i < COUNT(off); i++)
        check_hidden(&guest, &off[i]);
}

static void pmu_off_hides_the_core_pmu(void **state)
{
    const struct cpuid_context off = {.pmu_off = true};
    u32 regs[4];

    (void)state;
    edit_ones(&nothing_special, 0x80000001, 0, regs);
    assert_true(regs[CPUID_ECX] & BIT(23));
    edit_ones(&off, 0x80000001, 0, regs);
    assert_false(regs[CPUID_ECX] & BIT(23));
    edit_ones(&off, 0x80000022, 0, regs);
    assert_false(regs[CPUID_EAX] & BIT(0));
    assert_int_equal(regs[CPUID_EBX] & 0xf, 0);
}

static void grants_show_their_feature(void **state)
{
    const struct cpuid_context granted = {.granted = BIT(FEATURE_IBS) | BIT(FEATURE_SVM)};
    const struct cpuid_context cycles = {.granted = BIT(FEATURE_CYCLES)};
    const struct cpuid_context irperf = {.granted = BIT(FEATURE_IRPERF)};
    u32 regs[4];

    (void)state;
    edit_ones(&granted, 0x80000001, 0, regs);
    assert_true(regs[CPUID_ECX] & BIT(10));
    assert_false(regs[CPUID_ECX] & BIT(2)); /* never granted */
    edit_ones(&granted, 0x8000001b, 0, regs);
    assert_int_equal(regs[CPUID_EAX], ~0U);
    edit_ones(&cycles, 6, 0, regs);
    assert_int_equal(regs[CPUID_ECX], ~0U);
    edit_ones(&cycles, 0x80000008, 0, regs);
    assert_int_equal(regs[CPUID_EBX], 0x7fdffff5); /* RDPRU, not IRPerf */
    assert_int_equal(regs[CPUID_EDX], 0xffff0000);
    edit_ones(&cycles, 0x80000007, 0, regs);
    assert_int_equal(regs[CPUID_EDX], 0xffffafff);
    edit_ones(&irperf, 0x80000008, 0, regs);
    assert_int_equal(regs[CPUID_EBX], 0x7fdfffe7);
}

/* APM volume 3, appendix E; SDM volume 2, CPUID: what a grant shows, by register. */
static const struct shown {
    bool intel;
    enum feature feature;
    u32 leaf, subleaf;
    u32 bits[4];
} shown[] = {
    {false, FEATURE_CYCLES, 6, 0, {0, 0, 1, 0}},
    {false, FEATURE_QOS_MONITOR, 7, 0, {0, 1U << 12, 0, 0}},
    {false, FEATURE_QOS_MONITOR, 0xf, 0, {~0U, ~0U, ~0U, ~0U}},
    {false, FEATURE_QOS_MONITOR, 0xf, 1, {~0U, ~0U, ~0U, ~0U}},
    {false, FEATURE_IBS, 0x80000001, 0, {0, 0, 1U << 10, 0}},
    {false, FEATURE_UNCORE, 0x80000001, 0, {0, 0, 1U << 24 | 1U << 28, 0}},
    {false, FEATURE_CYCLES, 0x80000007, 0, {0, 0, 0, 3U << 10}},
    {false, FEATURE_POWER, 0x80000007, 0, {0, 0, ~0U, 1U << 12 | 1U << 14}},
    {false, FEATURE_IRPERF, 0x80000008, 0, {0, 1U << 1, 0, 0}},
    {false, FEATURE_CYCLES, 0x80000008, 0, {0, 1U << 4, 0, 0xffff0000}},
    {false, FEATURE_LBR_STACK, 0x80000008, 0, {0, 1U << 31, 0, 0}},
    {false, FEATURE_INVLPGB, 0x80000008, 0, {0, 1U << 3 | 1U << 21, 0, 0xffff}},
    {false, FEATURE_IBS, 0x8000001b, 0, {~0U, ~0U, ~0U, ~0U}},
    {false, FEATURE_QOS_MONITOR, 0x80000020, 0, {0, 1U << 3 | 1U << 5, 0, 0}},
    {false, FEATURE_QOS_MONITOR, 0x80000020, 3, {~0U, ~0U, ~0U, ~0U}},
    {false, FEATURE_QOS_MONITOR, 0x80000020, 5, {~0U, ~0U, ~0U, ~0U}},
    {false, FEATURE_LBR_STACK, 0x80000022, 0, {6, 0x3f0, 0, 0}},
    {false, FEATURE_UNCORE, 0x80000022, 0, {0, 0x3ffc00, ~0U, 0}},
    {true, FEATURE_PEBS, 1, 0, {0, 0, 1U << 2, 1U << 21}},
    {true, FEATURE_CYCLES, 6, 0, {0, 0, 1, 0}},
    {true, FEATURE_QOS_MONITOR, 7, 0, {0, 1U << 12, 0, 0}},
    {true, FEATURE_LBR, 7, 0, {0, 0, 0, 1U << 19}},
    {true, FEATURE_LBR, 0xd, 1, {0, 0, 1U << 15, 0}},
    {true, FEATURE_LBR, 0xd, 15, {~0U, ~0U, ~0U, ~0U}},
    {true, FEATURE_QOS_MONITOR, 0xf, 0, {~0U, ~0U, ~0U, ~0U}},
    {true, FEATURE_QOS_MONITOR, 0xf, 1, {~0U, ~0U, ~0U, ~0U}},
    {true, FEATURE_LBR, 0x1c, 0, {~0U, ~0U, ~0U, ~0U}},
};

static void check_shown(const struct shown *row)
{
    for (u32 feature = 1; feature < FEATURE_COUNT; feature++) {
        struct cpuid_context guest = {.intel = row->intel, .granted = (u32)BIT(feature)};
        bool listed = false;
        u32 before[4], after[4];

        for (u32 i = 0; i < COUNT(shown); i++)
            listed |= shown[i].intel == row->intel && shown[i].feature == feature &&
                      shown[i].leaf == row->leaf && shown[i].subleaf == row->subleaf;
        edit_ones(&guest, row->leaf, row->subleaf, after);
        guest.granted = 0;
        edit_ones(&guest, row->leaf, row->subleaf, before);
        for (u32 reg = 0; reg < 4; reg++) {
            u32 expected = feature == row->feature ? row->bits[reg] : 0;

            if ((before[reg] ^ after[reg]) != expected && (feature == row->feature || !listed))
                fail_msg("%x.%u register %u, feature %u", row->leaf, row->subleaf, reg, feature);
        }
    }
}

static void each_grant_shows_what_is_its_own(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(shown); i++)
        check_shown(&shown[i]);
}

static u32 rows_for(const struct cpuid_rows *cpuid, enum feature feature)
{
    u32 found = 0;

    for (u32 i = 0; i < cpuid->count; i++)
        found += cpuid->rows[i].feature == feature;
    return found;
}

static void check_agreement(const struct msr_rows *msrs, const struct cpuid_rows *cpuid)
{
    for (u32 i = 0; i < msrs->count; i++)
        if (msrs->rows[i].rule == RULE_DENY && msrs->rows[i].feature != FEATURE_NONE &&
            !rows_for(cpuid, msrs->rows[i].feature))
            fail_msg("%x (%s) is denied, but no CPUID row hides it", msrs->rows[i].first,
                     msrs->rows[i].reason);
    for (u32 i = 0; i < cpuid->count; i++)
        assert_int_not_equal(cpuid->rows[i].feature, FEATURE_NONE);
}

/* What the MSR table denies for a feature's sake, CPUID must not promise. What it zeroes
 * (RULE_ZERO) has no CPUID bit: kernels go by the model. */
static void what_is_denied_is_hidden(void **state)
{
    (void)state;
    check_agreement(&msr_rows_amd, &cpuid_rows_amd);
    check_agreement(&msr_rows_intel, &cpuid_rows_intel);
}

static void bits_follow_the_guests_cr4(void **state)
{
    for (u32 i = 0; i < 4; i++) {
        const struct cpuid_context guest = {.cr4 = (i & 1 ? BIT(18) : 0) | (i & 2 ? BIT(22) : 0)};
        const struct cpuid_context locker = {.cr4 = i & 1 ? BIT(19) : 0, .intel = true};
        u32 ones[4], zeros[4] = {0};

        edit_ones(&guest, 1, 0, ones);
        cpuid_edit(&guest, 1, 0, zeros);
        assert_int_equal(zeros[CPUID_ECX], (u32)(i & 1) << 27);
        assert_int_equal(ones[CPUID_ECX], ~(1U << 27) | (u32)(i & 1) << 27);
        memset(zeros, 0, sizeof(zeros));
        cpuid_edit(&guest, 7, 0, zeros);
        assert_int_equal(zeros[CPUID_ECX], (u32)(i >> 1) << 4);
        memset(zeros, 0, sizeof(zeros));
        cpuid_edit(&locker, 0x19, 0, zeros);
        assert_int_equal(zeros[CPUID_EBX], i & 1);
        edit_ones(&locker, 0x19, 0, ones);
        assert_int_equal(ones[CPUID_EBX], ~1U | (i & 1));
    }
    (void)state;
}

/* The register that says so (ARCH_CAPABILITIES) is in subleaf 0 of leaf 7, whatever the processor;
 * protection keys and key locker are bits of one leaf and one vendor each. */
static void bits_of_the_guests_are_where_they_belong(void **state)
{
    (void)state;
    for (u32 n = 0; n < 2; n++)
        for (u32 locked = 0; locked < 2; locked++) {
            const struct cpuid_context guest = {
                .intel = n, .x2apic_locked = locked, .cr4 = CR4_KL | CR4_PKE | CR4_OSXSAVE};
            u32 regs[4] = {0};

            cpuid_edit(&guest, 7, 0, regs);
            assert_int_equal(regs[CPUID_EDX], locked ? 1U << 29 : 0);
            assert_int_equal(regs[CPUID_ECX], 1U << 4);
            memset(regs, 0, sizeof(regs));
            cpuid_edit(&guest, 7, 1, regs);
            assert_int_equal(regs[CPUID_EAX] | regs[CPUID_ECX] | regs[CPUID_EDX], 0);
            edit_ones(&guest, 7, 0, regs);
            assert_true(regs[CPUID_EDX] & BIT(29)); /* the processor's own */
            memset(regs, 0, sizeof(regs));
            cpuid_edit(&guest, 0x19, 0, regs);
            assert_int_equal(regs[CPUID_EBX], n);
            cpuid_edit(&guest, 0x18, 0, regs);
            cpuid_edit(&guest, 2, 0, regs);
            assert_int_equal(regs[CPUID_ECX] | regs[CPUID_EDX], 0);
        }
}

static void hypervisor_bit_as_set(void **state)
{
    const struct cpuid_context on = {.hypervisor_bit = true};
    u32 regs[4] = {0};

    (void)state;
    cpuid_edit(&on, 1, 0, regs);
    assert_true(regs[CPUID_ECX] & BIT(31));
    cpuid_edit(&on, 0x40000000, 0, regs);
    assert_int_equal(regs[CPUID_EAX], 0x40000001);
    assert_memory_equal(&regs[CPUID_EBX], "CedeCedeCede", 12);
    memset(regs, 0xff, sizeof(regs));
    cpuid_edit(&on, 0x40000001, 0, regs);
    assert_int_equal(regs[CPUID_EAX], CEDE_VERSION);
    assert_int_equal(regs[CPUID_EBX] | regs[CPUID_ECX] | regs[CPUID_EDX], 0);
    memset(regs, 0, sizeof(regs));
    cpuid_edit(&nothing_special, 1, 0, regs);
    assert_false(regs[CPUID_ECX] & BIT(31)); /* metal */
    edit_ones(&nothing_special, 1, 0, regs);
    assert_true(regs[CPUID_ECX] & BIT(31)); /* a virtual machine */
}

/* Whichever hypervisor is outside: they place themselves at 4000_0000, at each 100H, or at 1000H.
 */
static void an_outer_hypervisors_leaves_are_hidden(void **state)
{
    (void)state;
    for (u32 n = 0; n < 8; n++) {
        const struct cpuid_context guest = {
            .intel = n & 1, .hypervisor_bit = n & 2, .granted = n & 4 ? ~0U : 0};

        for (u32 leaf = 0x40000000; leaf < 0x50000000; leaf += leaf < 0x40020000 ? 1 : 0xffff) {
            u32 regs[4];

            assert_false(is_plain(guest.intel, leaf));
            edit_ones(&guest, leaf, 0, regs);
            if (!guest.hypervisor_bit || leaf > 0x40000001)
                assert_true(!(regs[0] | regs[1] | regs[2] | regs[3]));
        }
    }
}

static void x2apic_bit_is_the_hardwares(void **state)
{
    u32 ones[4], zeros[4] = {0};

    (void)state;
    edit_ones(&nothing_special, 1, 0, ones);
    cpuid_edit(&nothing_special, 1, 0, zeros);
    assert_true((ones[CPUID_ECX] & BIT(21)) && !(zeros[CPUID_ECX] & BIT(21)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_leaves_are_never_edited),
        cmocka_unit_test(edited_leaves_are_not_plain),
        cmocka_unit_test(busy_leaves_are_plain),
        cmocka_unit_test(denied_features_are_hidden),
        cmocka_unit_test(rows_are_in_order),
        cmocka_unit_test(pmu_off_hides_the_core_pmu),
        cmocka_unit_test(pmu_off_hides_intels_pmu),
        cmocka_unit_test(grants_show_their_feature),
        cmocka_unit_test(each_grant_shows_what_is_its_own),
        cmocka_unit_test(what_is_denied_is_hidden),
        cmocka_unit_test(bits_follow_the_guests_cr4),
        cmocka_unit_test(bits_of_the_guests_are_where_they_belong),
        cmocka_unit_test(hypervisor_bit_as_set),
        cmocka_unit_test(an_outer_hypervisors_leaves_are_hidden),
        cmocka_unit_test(x2apic_bit_is_the_hardwares),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
