#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "pmu/amd.c"
#include "pmu/denial.c"
#include "pmu/filter.c"

static struct filter filter;

static int build(void **state)
{
    u32 count;
    const struct filter_entry *entries = pmu_amd_architectural(0x19, &count);

    (void)state;
    filter_build(&filter, &filter_format_amd, 0, entries, count);
    return 0;
}

static int reference_counter(u32 msr)
{
    if (msr >= 0xc0010000 && msr <= 0xc0010003)
        return msr & 3;
    return msr >= 0xc0010200 && msr <= 0xc001020a && msr % 2 == 0 ? (int)(msr & 0xf) / 2 : -1;
}

static void every_selector_alias_is_known(void **state)
{
    static const u32 first[] = {0, 0x80000000, 0xbfffff00, 0xc0010000 - 0x200, 0xfffff000};

    (void)state;
    for (u32 i = 0; i < COUNT(first); i++)
        for (u32 msr = first[i]; msr - first[i] < 0x3000; msr++)
            assert_int_equal(pmu_amd_counter(msr), reference_counter(msr));
}

/* Of all 2^20 events. */
static u32 allowed_events(void)
{
    u32 allowed = 0;

    for (u64 event = 0; event < 4096; event++)
        for (u64 umask = 0; umask < 256; umask++)
            allowed += filter_allows(&filter, (event & 0xff) | umask << 8 | (event >> 8) << 32);
    return allowed;
}

static void check_preset(u32 family, const u64 *events, u32 expected)
{
    u32 count;
    const struct filter_entry *entries = pmu_amd_architectural(family, &count);

    filter_build(&filter, &filter_format_amd, 0, entries, count);
    for (u32 i = 0; i < expected; i++)
        assert_true(
            filter_allows(&filter, events[i] | EVTSEL_EN | EVTSEL_USR | EVTSEL_OS | EVTSEL_INT));
    assert_int_equal(allowed_events(), expected);
}

/* As in amd_perfmon_event_map and amd_zen4_perfmon_event_map of Linux. */
static void architectural_presets(void **state)
{
    static const u64 k7[] = {0x0076, 0x00c0, 0x077d, 0x077e, 0x00c2, 0x00c3};
    static const u64 zen[] = {0x0076, 0x00c0, 0xff60, 0x0964, 0x00c2, 0x00c3, 0x100000120};

    (void)state;
    check_preset(0x10, k7, COUNT(k7));
    check_preset(0x16, k7, COUNT(k7));
    check_preset(0x17, zen, COUNT(zen));
    check_preset(0x1a, zen, COUNT(zen));
    build(NULL);
}

static void allowed_values_count_the_guest_only(void **state)
{
    static const u64 asked[] = {0, PERF_CTL_HOST_ONLY, PERF_CTL_GUEST_ONLY,
                                PERF_CTL_HOST_ONLY | PERF_CTL_GUEST_ONLY};

    (void)state;
    for (u32 i = 0; i < COUNT(asked); i++)
        assert_int_equal(pmu_amd_hardware_value(&filter, 0x5300c0 | asked[i]), 0x5300c0 | BIT(40));
}

static void denied_values_leave_reserved_bits_only(void **state)
{
    static const u64 denied[] = {
        0x530029,           0xf005300ff, 0xf000000ff /* merge, EN clear */,
        0x5300e9,           0x4005300e0, 0x5300c0 | BIT(18), /* edge */
        0x5300c0 | BIT(23),                                  /* inv */
        0x15300c0,                                           /* cmask */
        0x5301c0,                                            /* umask */
    };

    (void)state;
    for (u32 i = 0; i < COUNT(denied); i++) {
        assert_int_equal(pmu_amd_hardware_value(&filter, denied[i]), 0);
        assert_int_equal(pmu_amd_hardware_value(&filter, denied[i] | MASK(41, 40)), 0);
        assert_int_equal(pmu_amd_hardware_value(&filter, denied[i] | BIT(63) | BIT(19)),
                         BIT(63) | BIT(19));
    }
    for (u32 bit = 0; bit < 64; bit++)
        if (BIT(bit) & PERF_CTL_RESERVED)
            assert_int_equal(pmu_amd_hardware_value(&filter, 0x5300c0 | BIT(bit)), BIT(bit));
}

/* Whatever the guest writes, hardware never counts an event that is not allowed, nor the host. */
static void hardware_never_counts_more(void **state)
{
    u64 random = 88172645463325252ULL;

    (void)state;
    for (u32 i = 0; i < 2000000; i++) {
        u64 hardware;

        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        hardware = pmu_amd_hardware_value(&filter, i & 1 ? random : random & 0x300ffffffULL);
        if (hardware & ~PERF_CTL_RESERVED) {
            assert_true(hardware & PERF_CTL_GUEST_ONLY);
            assert_false(hardware & PERF_CTL_HOST_ONLY);
            assert_true(filter_allows(&filter, hardware));
        }
    }
}

static void modes(void **state)
{
    (void)state;
    assert_int_equal(pmu_amd_value(PMU_FULL, &filter, 0x530029), 0x530029);
    assert_int_equal(pmu_amd_value(PMU_OFF, &filter, 0x5300c0), 0);
    assert_int_equal(pmu_amd_value(PMU_FILTERED, &filter, 0x5300c0), 0x5300c0 | BIT(40));
}

static bool guest_write(struct pmu_amd *pmu, u32 counter, u64 value)
{
    return pmu_amd_commit(pmu, counter, value, pmu_amd_hardware_value(&filter, value));
}

static void guest_reads_what_it_wrote(void **state)
{
    struct pmu_amd pmu = {0};

    (void)state;
    guest_write(&pmu, 3, 0x5300c0 | PERF_CTL_HOST_ONLY);
    assert_int_equal(pmu_amd_read(&pmu, PMU_FILTERED, 3), 0x5300c0 | PERF_CTL_HOST_ONLY);
    assert_int_equal(pmu_amd_read(&pmu, PMU_OFF, 3), 0);
    guest_write(&pmu, 3, 0x530029);
    assert_int_equal(pmu_amd_read(&pmu, PMU_FILTERED, 3), 0x530029);
    assert_true(pmu_amd_has_reserved(BIT(42)) && !pmu_amd_has_reserved(0x3f5300c0));
    assert_int_equal(pmu_amd_merge_reserved(0x5300c0 | BIT(42) | BIT(21), BIT(42) | 0xff),
                     0x5300c0 | BIT(42));
}

static void denials_are_told(void **state)
{
    struct pmu_amd pmu = {0};

    (void)state;
    assert_false(guest_write(&pmu, 0, 0x5300c0));
    assert_false(guest_write(&pmu, 0, 0));
    assert_false(guest_write(&pmu, 0, 0x130029)); /* EN clear */
    assert_true(guest_write(&pmu, 0, 0x530029));
    assert_true(guest_write(&pmu, 1, 0xf000000ff)); /* the merge event acts without EN */
}

/* The first is noted where the guest's place is known, the rest in few instructions. */
static void repeated_denials_are_counted(void **state)
{
    struct pmu_core core = {0};
    u64 no_high = 0;

    (void)state;
    assert_false(denial_again(&core.denials, 0x530029, &no_high));
    assert_int_equal(denials_total(&core.denials), 0);
    denial_note(&core.denials, &(struct denial){.value = 0x530029, .last = 1});
    assert_true(denial_again(&core.denials, 0x530029, &no_high));
    assert_false(denial_again(&core.denials, 0x530029 | EVTSEL_EDGE, &no_high));
    assert_int_equal(denial_home(&core.denials, 0x530029)->count, 2);
    assert_int_equal(denials_total(&core.denials), 2);
    assert_true(denial_home(&core.denials, 0x530029)->last > 1);
}

/* A machine of MSRs; those outside the list fault. */
static struct {
    u32 leaf_max, features, v2_eax, v2_ebx;
    u64 selector[PMU_AMD_COUNTERS];
    u32 selectors, llc_pairs, nb_pairs, zeroed;
    bool has_debugctl;
    u64 debugctl;
} machine;

static void fake_cpuid(u32 leaf, u32 subleaf, u32 out[4])
{
    (void)subleaf;
    memset(out, 0, 16);
    if (leaf == 0x80000000)
        out[0] = machine.leaf_max;
    if (leaf == 0x80000001)
        out[2] = machine.features;
    if (leaf == 0x80000022) {
        assert_true(machine.leaf_max >= leaf);
        out[0] = machine.v2_eax;
        out[1] = machine.v2_ebx;
    }
}

static bool fake_rdmsr(u32 msr, u64 *value)
{
    int counter = pmu_amd_counter(msr);

    if (msr == IA32_DEBUGCTL)
        return *value = machine.debugctl, machine.has_debugctl;
    if (counter < 0 || (u32)counter >= machine.selectors)
        return false;
    *value = machine.selector[counter];
    return true;
}

static bool fake_wrmsr(u32 msr, u64 value)
{
    int counter = pmu_amd_counter(msr);

    if (msr == IA32_DEBUGCTL) {
        assert_int_not_equal(machine.debugctl, value); /* not without need */
        return machine.debugctl = value, true;
    }
    if (counter >= 0 && (u32)counter < machine.selectors) {
        machine.selector[counter] = value;
        return true;
    }
    assert_int_equal(value, 0);
    if (msr - 0xc0010230 >= 2 * machine.llc_pairs && msr - 0xc0010240 >= 2 * machine.nb_pairs)
        return false;
    machine.zeroed++;
    return true;
}

static const struct pmu_access access = {fake_cpuid, fake_rdmsr, fake_wrmsr};

static void check_caps(u32 leaf_max, u32 features, u32 v2_eax, u32 v2_ebx,
                       struct pmu_amd_caps expected)
{
    struct pmu_amd_caps caps;

    machine.leaf_max = leaf_max;
    machine.features = features;
    machine.v2_eax = v2_eax;
    machine.v2_ebx = v2_ebx;
    pmu_amd_discover(&caps, &access);
    assert_int_equal(caps.counters, expected.counters);
    assert_int_equal(caps.extended, expected.extended);
    assert_int_equal(caps.perfmon_v2, expected.perfmon_v2);
    assert_int_equal(caps.northbridge, expected.northbridge);
    assert_int_equal(caps.llc, expected.llc);
    assert_int_equal(caps.lbr_stack, expected.lbr_stack);
    assert_int_equal(caps.ibs, expected.ibs);
}

static void discovery(void **state)
{
    (void)state;
    check_caps(0x8000001a, 0, 0, 0,
               (struct pmu_amd_caps){4, false, false, false, false, false, false});
    check_caps(0x8000001f, BIT(23) | BIT(24) | BIT(28), 0, 0,
               (struct pmu_amd_caps){6, true, false, true, true, false, false});
    check_caps(0x80000022, BIT(23), 1, 0x5e006,
               (struct pmu_amd_caps){6, true, true, false, false, false, false});
    check_caps(0x80000022, BIT(23), 0, 3,
               (struct pmu_amd_caps){6, true, false, false, false, false, false});
    check_caps(0x80000021, BIT(23), 1, 2,
               (struct pmu_amd_caps){6, true, false, false, false, false, false});
    check_caps(0x80000023, 0, 1, 0x54,
               (struct pmu_amd_caps){4, false, true, false, false, false, false});
    check_caps(0x80000022, BIT(23), 1, 5,
               (struct pmu_amd_caps){5, true, true, false, false, false, false});
    check_caps(0x80000022, BIT(23), ~1U, 2,
               (struct pmu_amd_caps){6, true, false, false, false, true, false});
    check_caps(0x80000022, BIT(23), ~2U, 2,
               (struct pmu_amd_caps){2, true, true, false, false, false, false});
    check_caps(0x80000022, ~(u32)(BIT(23) | BIT(24) | BIT(28)), 0, 0,
               (struct pmu_amd_caps){4, false, false, false, false, false, true});
    check_caps(0x80000022, ~(u32)BIT(10), 0, 0,
               (struct pmu_amd_caps){6, true, false, true, true, false, false});
    check_caps(0x80000022, BIT(23), 1, 0xf,
               (struct pmu_amd_caps){6, true, true, false, false, false, false});
}

static void start_judges_what_firmware_left(void **state)
{
    static const struct pmu_amd_caps caps = {6, true, true, true, true, false, false};
    struct pmu_amd pmu;

    (void)state;
    memset(&machine, 0, sizeof(machine));
    machine.selectors = 6;
    machine.llc_pairs = 6;
    machine.nb_pairs = 4;
    machine.selector[0] = 0x5300c0;
    machine.selector[5] = 0x530029;
    machine.has_debugctl = true;
    machine.debugctl = 0x1803;
    memset(&pmu, 0x55, sizeof(pmu)); /* a life before */
    pmu_amd_start(&pmu, &caps, PMU_FILTERED, &filter, &access);
    assert_int_equal(denials_total(&pmu.core.denials), 0);
    assert_int_equal(machine.selector[0], 0x5300c0 | BIT(40));
    assert_int_equal(machine.selector[5], 0);
    assert_int_equal(pmu_amd_read(&pmu, PMU_FILTERED, 5), 0x530029);
    assert_int_equal(machine.zeroed, 12 + 8);
    assert_int_equal(machine.debugctl, 0x1802);
    assert_int_equal(pmu.core.attention, 0x3f);
    pmu_amd_start(&pmu, &caps, PMU_FILTERED, &filter, &access); /* with LBR off: fake_wrmsr looks */
}

/* L3 has six pairs, the northbridge and the data fabric up to 16, or as many as there are. */
static void shared_counters_are_zeroed_as_far_as_there_are_any(void **state)
{
    static const struct {
        bool llc, northbridge;
        u32 llc_pairs, nb_pairs, zeroed;
    } cases[] = {
        {true, false, 6, 16, 12}, {false, true, 6, 16, 32}, {true, true, 4, 0, 8},
        {true, true, 8, 4, 20},   {false, false, 6, 16, 0}, {false, true, 0, 4, 8},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(cases); i++) {
        struct pmu_amd_caps caps = {.counters = 6,
                                    .extended = true,
                                    .northbridge = cases[i].northbridge,
                                    .llc = cases[i].llc};
        struct pmu_amd pmu;

        memset(&machine, 0, sizeof(machine));
        machine.llc_pairs = cases[i].llc_pairs;
        machine.nb_pairs = cases[i].nb_pairs;
        pmu_amd_start(&pmu, &caps, PMU_FILTERED, &filter, &access);
        assert_int_equal(machine.zeroed, cases[i].zeroed);
    }
}

static u32 zero_writes, last_zeroed;

/* Of each pair one of the two is not there. */
static bool half_wrmsr(u32 msr, u64 value)
{
    zero_writes += !value;
    last_zeroed = msr;
    return msr & 1;
}

static void a_pair_is_both(void **state)
{
    static const struct pmu_access half = {fake_cpuid, fake_rdmsr, half_wrmsr};

    (void)state;
    zero_writes = 0;
    zero_pairs(MSR_NB_CTL, 4, &half);
    assert_int_equal(zero_writes, 1);
    zero_writes = 0;
    zero_pairs(MSR_NB_CTL + 1, 4, &half);
    assert_int_equal(zero_writes, 2);
    assert_int_equal(last_zeroed, MSR_NB_CTL + 2);
}

/* Without DebugCtl nothing is written there. */
static void the_last_branch_record_is_stopped_where_it_is(void **state)
{
    static const struct pmu_amd_caps caps = {.counters = 4};
    struct pmu_amd pmu;

    (void)state;
    memset(&machine, 0, sizeof(machine));
    machine.debugctl = 0x1803;
    pmu_amd_start(&pmu, &caps, PMU_OFF, &filter, &access);
    assert_int_equal(machine.debugctl, 0x1803);
    assert_int_equal(pmu.core.attention, 0xf);
}

static u64 ibs[16];
static u32 ibs_there; /* bits of MSRs C0011030H and up */
static u32 ibs_order[2], ibs_writes;

static bool ibs_wrmsr(u32 msr, u64 value)
{
    u32 i = msr - 0xc0011030;

    assert_true(i < 16);
    assert_int_equal(value, 0);
    if (ibs_writes < 2)
        ibs_order[ibs_writes] = msr;
    ibs_writes++;
    if (!(ibs_there & 1U << i))
        return false;
    ibs[i] = value;
    return true;
}

/* Sampling ends before samples are forgotten; the registers that only newer families have may be
 * missing, and the LVT offset is the firmware's. */
static void sampling_is_stopped_and_forgotten(void **state)
{
    static const struct pmu_access sampling = {fake_cpuid, fake_rdmsr, ibs_wrmsr};
    static const struct pmu_amd_caps with = {.ibs = true}, without = {.ibs = false};
    static const u32 families[] = {0xfff, 0x7ff, 0x3fff};

    (void)state;
    for (u32 i = 0; i < COUNT(families); i++) {
        memset(ibs, 0xff, sizeof(ibs));
        ibs_there = families[i];
        ibs_writes = 0;
        pmu_amd_clear_ibs(&without, &sampling);
        assert_int_equal(ibs_writes, 0);
        pmu_amd_clear_ibs(&with, &sampling);
        for (u32 k = 0; k < 16; k++)
            assert_int_equal(ibs[k], k != 10 && (ibs_there & 1U << k) ? 0 : ~0ULL);
        assert_int_equal(ibs_order[0], 0xc0011030);
        assert_int_equal(ibs_order[1], 0xc0011033);
    }
}

static void what_is_not_there_is_0(void **state)
{
    static const struct pmu_amd_caps caps = {.counters = 6, .extended = true};
    struct pmu_amd pmu = {.shadow = {1, 1, 1, 1, 1, 1}};

    (void)state;
    memset(&machine, 0, sizeof(machine));
    machine.selectors = 4;
    machine.selector[0] = machine.selector[3] = 0x5300c0;
    pmu_amd_switch(&pmu, &caps, PMU_FULL, PMU_FILTERED, &filter, &access);
    assert_int_equal(pmu.shadow[0], 0x5300c0);
    assert_int_equal(pmu.shadow[3], 0x5300c0);
    assert_int_equal(pmu.shadow[4] | pmu.shadow[5], 0);
}

static void what_the_policy_grants(void **state)
{
    static struct filter none;

    (void)state;
    assert_int_equal(pmu_amd_grants(PMU_FILTERED, &filter), BIT(FEATURE_CYCLES));
    assert_int_equal(pmu_amd_grants(PMU_FILTERED, &none), 0);
    assert_int_equal(pmu_amd_grants(PMU_FULL, &none), BIT(FEATURE_CYCLES) | BIT(FEATURE_IRPERF));
    assert_int_equal(pmu_amd_grants(PMU_OFF, &filter), 0);
    assert_int_equal(pmu_amd_debugctl(0, ~0ULL), ~1ULL);
    assert_int_equal(pmu_amd_debugctl(BIT(FEATURE_LBR), ~0ULL), ~0ULL);
}

static void start_on_four_counters(void **state)
{
    static const struct pmu_amd_caps caps = {4, false, false, false, false, false, false};
    struct pmu_amd pmu;

    (void)state;
    memset(&machine, 0, sizeof(machine));
    machine.selectors = 4;
    machine.selector[3] = 0x5300c0;
    pmu_amd_start(&pmu, &caps, PMU_FULL, &filter, &access);
    assert_int_equal(machine.selector[3], 0x5300c0);
    assert_int_equal(machine.zeroed, 0);
}

static void switching_judges_again(void **state)
{
    static const struct pmu_amd_caps caps = {6, true, false, false, false, false, false};
    struct pmu_amd pmu = {0};

    (void)state;
    memset(&machine, 0, sizeof(machine));
    machine.selectors = 6;
    machine.selector[1] = 0x530029;
    machine.selector[2] = 0x5300c0 | PERF_CTL_HOST_ONLY;
    pmu_amd_switch(&pmu, &caps, PMU_FULL, PMU_FILTERED, &filter, &access);
    assert_int_equal(machine.selector[1], 0);
    assert_int_equal(machine.selector[2], 0x5300c0 | PERF_CTL_GUEST_ONLY);
    pmu_amd_switch(&pmu, &caps, PMU_FILTERED, PMU_OFF, &filter, &access);
    assert_int_equal(machine.selector[2], 0);
    pmu_amd_switch(&pmu, &caps, PMU_OFF, PMU_FULL, &filter, &access);
    assert_int_equal(machine.selector[1], 0x530029);
    assert_int_equal(machine.selector[2], 0x5300c0 | PERF_CTL_HOST_ONLY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_selector_alias_is_known),
        cmocka_unit_test(architectural_presets),
        cmocka_unit_test(allowed_values_count_the_guest_only),
        cmocka_unit_test(denied_values_leave_reserved_bits_only),
        cmocka_unit_test(hardware_never_counts_more),
        cmocka_unit_test(modes),
        cmocka_unit_test(guest_reads_what_it_wrote),
        cmocka_unit_test(denials_are_told),
        cmocka_unit_test(repeated_denials_are_counted),
        cmocka_unit_test(discovery),
        cmocka_unit_test(start_judges_what_firmware_left),
        cmocka_unit_test(shared_counters_are_zeroed_as_far_as_there_are_any),
        cmocka_unit_test(a_pair_is_both),
        cmocka_unit_test(the_last_branch_record_is_stopped_where_it_is),
        cmocka_unit_test(sampling_is_stopped_and_forgotten),
        cmocka_unit_test(what_is_not_there_is_0),
        cmocka_unit_test(what_the_policy_grants),
        cmocka_unit_test(start_on_four_counters),
        cmocka_unit_test(switching_judges_again),
    };

    return cmocka_run_group_tests(tests, build, NULL);
}
