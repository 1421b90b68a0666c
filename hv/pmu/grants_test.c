/* Who may have what of the PMU beyond its counters, over fake processors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "pmu/grants.c"
#include "pmu/grants_amd.c"
#include "pmu/grants_intel.c"

static u32 leaf_1[4], leaf_7[4], leaf_80000001[4], leaf_8000000a_edx;

static void fake_cpuid(u32 leaf, u32 subleaf, u32 out[4])
{
    assert_int_equal(subleaf, 0);
    memset(out, 0, 16);
    if (leaf == 0)
        out[CPU_EAX] = 0xd;
    if (leaf == 1)
        memcpy(out, leaf_1, 16);
    if (leaf == 7)
        memcpy(out, leaf_7, 16);
    if (leaf == 0x80000000)
        out[CPU_EAX] = 0x80000022;
    if (leaf == 0x80000001)
        memcpy(out, leaf_80000001, 16);
    if (leaf == 0x8000000a)
        out[CPU_EDX] = leaf_8000000a_edx;
}

static u64 capabilities, exit_controls, entry_controls;
static bool true_controls;

static u64 fake_rdmsr(u32 msr)
{
    u32 first = true_controls ? 0x48d : 0x481;

    if (msr == 0x345 && (leaf_1[CPU_ECX] & BIT(15)))
        return capabilities;
    if (msr == 0x480)
        return true_controls ? BIT(55) : 0;
    if (msr == first + 2)
        return exit_controls;
    if (msr == first + 3)
        return entry_controls;
    fail_msg("MSR %x is not promised by CPUID", msr);
    return 0;
}

static const struct cpu_ops ops = {fake_cpuid, fake_rdmsr, NULL};

static void be_amd(bool ibs)
{
    memset(leaf_1, 0, sizeof(leaf_1));
    memset(leaf_7, 0, sizeof(leaf_7));
    memset(leaf_80000001, 0, sizeof(leaf_80000001));
    leaf_80000001[CPU_ECX] = (u32)(BIT(2) | (ibs ? BIT(10) : 0));
}

static void be_intel(bool store)
{
    be_amd(false);
    leaf_80000001[CPU_ECX] = 0;
    leaf_1[CPU_ECX] = BIT(5);
    leaf_1[CPU_EDX] = store ? BIT(21) : 0;
}

/* Also where one of the other guests has gone: it may come again. */
static void the_sockets_are_a_sole_tenants(void **state)
{
    (void)state;
    for (u32 intel = 0; intel < 2; intel++) {
        if (intel)
            be_intel(true);
        else
            be_amd(true);
        for (u32 grant = GRANT_UNCORE; grant <= GRANT_ENERGY; grant++) {
            assert_int_equal(grant_ask(&ops, grant, 1), GRANT_GIVEN);
            assert_int_equal(grant_ask(&ops, grant, 2), GRANT_SHARED);
            assert_int_equal(grant_ask(&ops, grant, 64), GRANT_SHARED);
        }
        assert_int_equal(grants_possible(&ops, 1) >> GRANT_UNCORE, 3);
        assert_int_equal(grants_possible(&ops, 2) >> GRANT_UNCORE, 0);
    }
}

/* A line about the other vendor's is no mistake: one file serves many machines. */
static void what_a_processor_lacks_is_no_mistake(void **state)
{
    const struct pmu_policy policy = {.grants = {1 << GRANT_PEBS | 1 << GRANT_IBS}};
    enum grant_answer why;

    (void)state;
    be_amd(false);
    assert_int_equal(grants_refused(&ops, &policy, 1, &why), GRANTS);
    be_intel(false);
    assert_int_equal(grants_refused(&ops, &policy, 1, &why), GRANTS);
    assert_int_equal(grants_possible(&ops, 1) & policy.grants[POLICY_ALLOW], 0);
}

static void the_first_that_is_refused(void **state)
{
    struct pmu_policy policy = {.grants = {1 << GRANT_UNCORE | 1 << GRANT_ENERGY}};
    enum grant_answer why;

    (void)state;
    be_amd(true);
    assert_int_equal(grants_refused(&ops, &policy, 1, &why), GRANTS);
    assert_int_equal(grants_refused(&ops, &policy, 2, &why), GRANT_UNCORE);
    assert_int_equal(why, GRANT_SHARED);
    policy.grants[POLICY_DENY] = 1 << GRANT_UNCORE;
    assert_int_equal(grants_refused(&ops, &policy, 2, &why), GRANT_ENERGY);
    policy.grants[POLICY_DENY] |= 1 << GRANT_ENERGY;
    assert_int_equal(grants_refused(&ops, &policy, 2, &why), GRANTS);
}

/* Where a fault in the midst of a record can be gone on from: servers of Ice Lake, format 5, and
 * adaptive records on both. */
static void precise_samples_of_those_that_survive_a_fault(void **state)
{
    static const struct {
        u32 signature;
        u64 capabilities;
        enum grant_answer answer;
    } cases[] = {
        {0x606a6, 0x44c0, GRANT_GIVEN}, /* Ice Lake-SP */
        {0x606c1, 0x44c0, GRANT_GIVEN}, /* Ice Lake-D */
        {0x806f8, 0x45c0, GRANT_GIVEN}, /* Sapphire Rapids, by its format */
        {0x706e5, 0x44c0, GRANT_FATAL}, /* Ice Lake client */
        {0x80665, 0x44c0, GRANT_FATAL}, /* Tremont */
        {0x606a6, 0x04c0, GRANT_FATAL}, /* without adaptive records */
        {0x806f8, 0x05c0, GRANT_FATAL}, {0x50654, 0x3c5, GRANT_FATAL}, /* Skylake-SP */
    };

    (void)state;
    be_intel(true);
    for (u32 i = 0; i < COUNT(cases); i++) {
        leaf_1[CPU_EAX] = cases[i].signature;
        leaf_1[CPU_ECX] = (u32)(BIT(5) | BIT(15));
        capabilities = cases[i].capabilities;
        assert_int_equal(grant_ask(&ops, GRANT_PEBS, 3), cases[i].answer);
        leaf_1[CPU_ECX] = BIT(5);
        assert_int_equal(grant_ask(&ops, GRANT_PEBS, 3), GRANT_FATAL);
    }
    be_intel(false);
    assert_int_equal(grant_ask(&ops, GRANT_PEBS, 1), GRANT_ABSENT);
}

/* Not where they would be shared; older ones' are not switched. */
static void branches_of_amds_are_given_where_they_are_switched(void **state)
{
    const struct pmu_policy policy = {.grants = {1 << GRANT_LBR}};
    enum grant_answer why;

    (void)state;
    be_amd(true);
    leaf_8000000a_edx = (u32)~BIT(1);
    assert_int_equal(grants_refused(&ops, &policy, 1, &why), GRANT_LBR);
    assert_int_equal(why, GRANT_UNSWITCHED);
    assert_int_equal(grants_possible(&ops, 1) & 1 << GRANT_LBR, 0);
    leaf_8000000a_edx = BIT(1);
    for (u32 guests = 1; guests < 3; guests++) {
        assert_int_equal(grants_refused(&ops, &policy, guests, &why), GRANTS);
        assert_true(grants_possible(&ops, guests) & 1 << GRANT_LBR);
    }
}

static void samples_of_amds_are_given_where_there_are_any(void **state)
{
    (void)state;
    be_amd(true);
    assert_int_equal(grant_ask(&ops, GRANT_IBS, 1), GRANT_GIVEN);
    assert_int_equal(grant_ask(&ops, GRANT_IBS, 2), GRANT_GIVEN);
    assert_int_equal(grant_ask(&ops, GRANT_PEBS, 1), GRANT_ABSENT);
    be_amd(false);
    assert_int_equal(grant_ask(&ops, GRANT_IBS, 1), GRANT_ABSENT);
}

/* Where PERF_CAPABILITIES names their format: any but 0. */
static void older_branch_records(void **state)
{
    (void)state;
    be_intel(true);
    assert_int_equal(grant_ask(&ops, GRANT_LBR, 2), GRANT_ABSENT);
    leaf_1[CPU_ECX] |= (u32)BIT(15);
    capabilities = ~0x3fULL;
    assert_int_equal(grant_ask(&ops, GRANT_LBR, 2), GRANT_ABSENT);
    for (u32 bit = 0; bit < 6; bit++) {
        capabilities = BIT(bit);
        assert_int_equal(grant_ask(&ops, GRANT_LBR, 2), GRANT_GIVEN);
    }
    assert_false(lbr_ctl_is_switched(&ops));
}

/* Architectural ones only with both controls, wherever they are announced. */
static void architectural_branch_records(void **state)
{
    (void)state;
    be_intel(true);
    leaf_7[CPU_EDX] = BIT(19);
    for (u32 way = 0; way < 8; way++) {
        bool both = (way & 3) == 3;

        true_controls = way & 4;
        exit_controls = way & 1 ? BIT(32 + 26) : ~BIT(32 + 26);
        entry_controls = way & 2 ? BIT(32 + 21) : ~BIT(32 + 21);
        assert_int_equal(grant_ask(&ops, GRANT_LBR, 1), both ? GRANT_GIVEN : GRANT_NO_CONTROL);
        assert_int_equal(lbr_ctl_is_switched(&ops), both);
    }
    leaf_7[CPU_EDX] = 0;
    assert_false(lbr_ctl_is_switched(&ops));
}

/* It means what can be had. */
static void everything_is_never_refused(void **state)
{
    const struct pmu_policy policy = {.presets = {1 << PRESET_EVERYTHING}};
    enum grant_answer why;

    (void)state;
    be_intel(true);
    assert_int_equal(grants_refused(&ops, &policy, 2, &why), GRANTS);
}

static void each_has_its_words(void **state)
{
    (void)state;
    for (u32 i = 0; i < GRANTS; i++)
        for (u32 j = 0; j < i; j++)
            assert_string_not_equal(grant_name(i), grant_name(j));
    for (u32 i = 0; i < COUNT(texts); i++)
        assert_true(strlen(grant_text(i)) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sockets_are_a_sole_tenants),
        cmocka_unit_test(what_a_processor_lacks_is_no_mistake),
        cmocka_unit_test(the_first_that_is_refused),
        cmocka_unit_test(precise_samples_of_those_that_survive_a_fault),
        cmocka_unit_test(branches_of_amds_are_given_where_they_are_switched),
        cmocka_unit_test(samples_of_amds_are_given_where_there_are_any),
        cmocka_unit_test(older_branch_records),
        cmocka_unit_test(architectural_branch_records),
        cmocka_unit_test(everything_is_never_refused),
        cmocka_unit_test(each_has_its_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
