#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "pmu/denial.c"
#include "pmu/filter.c"
#include "pmu/intel.c"
#include "pmu/lbr_intel.c"
#include "pmu/policy.c"

#define USUAL (EVTSEL_EN | EVTSEL_USR | EVTSEL_OS | EVTSEL_INT)

static struct filter filter;
static const struct policy_cpu policy_cpu = {.format = &filter_format_intel,
                                             .architectural = pmu_intel_architectural,
                                             .architectural_count = 7};

static int build(void **state)
{
    (void)state;
    policy_build(&filter, &policy_default, &policy_cpu);
    return 0;
}

static int reference_counter(u32 msr)
{
    if (msr >= 0x186 && msr <= 0x18f)
        return (int)msr - 0x186;
    return msr >= 0x1901 && msr <= 0x1925 && msr % 4 == 1 ? (int)(msr - 0x1901) / 4 : -1;
}

static void every_selector_alias_is_known(void **state)
{
    static const u32 first[] = {0, 0x80000000, 0xbfffff00, 0xc0000000, 0xfffff000};

    (void)state;
    for (u32 i = 0; i < COUNT(first); i++)
        for (u32 msr = first[i]; msr - first[i] < 0x4000 && msr >= first[i]; msr++)
            assert_int_equal(pmu_intel_counter(msr), reference_counter(msr));
}

/* CPUID.0AH EBX's first seven, of all 2^24 events. */
static void architectural_preset(void **state)
{
    static const u64 allowed[] = {0x003c, 0x00c0, 0x013c, 0x4f2e, 0x412e, 0x00c4, 0x00c5};
    u32 count = 0;

    (void)state;
    for (u32 i = 0; i < COUNT(allowed); i++)
        assert_true(filter_allows(&filter, allowed[i] | USUAL));
    for (u64 event = 0; event < BIT(24); event++)
        count += filter_allows(&filter, (event & 0xffff) | event >> 16 << 40);
    assert_int_equal(count, COUNT(allowed));
}

static void allowed_values_reach_the_hardware_as_written(void **state)
{
    (void)state;
    for (u32 i = 0; i < 7; i++) {
        u64 value =
            pmu_intel_architectural[i].first | (u64)pmu_intel_architectural[i].match << 8 | USUAL;

        assert_int_equal(pmu_intel_hardware_value(&filter, value), value);
    }
}

static void denied_values_leave_what_may_fault(void **state)
{
    static const u64 denied[] = {
        USUAL | 0x1b7,
        USUAL | 0xc0 | EVTSEL_EDGE,
        USUAL | 0xc0 | BIT(24),
        USUAL | 0xc0 | EVTSEL_INV,
        USUAL | 0xc0 | BIT(19),
        USUAL | 0xff29,
        0x1b7,
    };

    (void)state;
    for (u32 i = 0; i < COUNT(denied); i++)
        assert_int_equal(pmu_intel_hardware_value(&filter, denied[i]), 0);
    assert_int_equal(pmu_intel_hardware_value(&filter, USUAL | 0xc0 | EVTSEL_ANY), EVTSEL_ANY);
    for (u32 bit = 32; bit < 64; bit++)
        assert_int_equal(pmu_intel_hardware_value(&filter, USUAL | 0xc0 | BIT(bit)), BIT(bit));
}

/* Whatever the guest writes, the hardware counts no event that is not allowed. */
static void hardware_never_counts_more(void **state)
{
    u64 random = 88172645463325252ULL;

    (void)state;
    for (u32 i = 0; i < 2000000; i++) {
        u64 hardware;

        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        hardware = pmu_intel_hardware_value(&filter, i & 1 ? random : random & 0xffffffff);
        assert_true(!(hardware & EVTSEL_EN) || filter_allows(&filter, hardware));
    }
}

static void modes(void **state)
{
    (void)state;
    assert_int_equal(pmu_intel_value(PMU_FULL, &filter, USUAL | 0x1b7), USUAL | 0x1b7);
    assert_int_equal(pmu_intel_value(PMU_OFF, &filter, USUAL | 0xc0), 0);
    assert_int_equal(pmu_intel_value(PMU_FILTERED, &filter, USUAL | 0xc0), USUAL | 0xc0);
}

static bool guest_write(struct pmu_intel *pmu, u32 counter, u64 value)
{
    return pmu_intel_commit(pmu, counter, value, pmu_intel_hardware_value(&filter, value));
}

static void guest_reads_what_it_wrote_and_denials_are_told(void **state)
{
    struct pmu_intel pmu = {0};

    (void)state;
    assert_false(guest_write(&pmu, 9, USUAL | 0xc0));
    assert_false(guest_write(&pmu, 0, 0));
    assert_false(guest_write(&pmu, 0, 0x1b7)); /* EN clear */
    assert_int_equal(pmu_intel_read(&pmu, PMU_FILTERED, 9), USUAL | 0xc0);
    assert_int_equal(pmu_intel_read(&pmu, PMU_OFF, 9), 0);
    assert_true(guest_write(&pmu, 3, USUAL | 0x1b7));
    assert_int_equal(pmu_intel_read(&pmu, PMU_FILTERED, 3), USUAL | 0x1b7);
}

/* --- FIXED_CTR_CTRL --------------------------------------------------------------------------- */

static void fixed_fields(void **state)
{
    static const struct {
        bool exists_any, may_any;
        u16 allowed;
        u64 value, hardware;
    } cases[] = {
        {false, false, 0xf, 0xbbbb, 0xbbbb},
        {false, false, 0x7, 0xbbbb, 0x0bbb},
        {false, false, 0x2, 0x0333, 0x0030},
        {false, false, 0xf, 0x0004, 0x0004}, /* reserved there: left to fault */
        {true, false, 0xf, 0x0007, 0x0000},  /* AnyThread: the field is denied */
        {true, false, 0xf, 0x0373, 0x0303},
        {true, true, 0xf, 0x0777, 0x0777},
        {true, true, 0x1, 0x0777, 0x0007},
        {false, false, 0x1, 0x30003, 0x30003}, /* counter 4 does not exist: left to fault */
        {false, false, 0x0, 0x8888, 0x0000},   /* a PMI alone counts nothing, and is denied too */
    };

    (void)state;
    for (u32 i = 0; i < COUNT(cases); i++) {
        struct pmu_intel_caps caps = {.fixed = 0xf, .any_thread = cases[i].exists_any};
        struct pmu_intel_limits limits = {.fixed = cases[i].allowed,
                                          .any_thread = cases[i].may_any};
        u64 hardware = pmu_intel_fixed_value(&caps, &limits, cases[i].value);

        if (hardware != cases[i].hardware)
            fail_msg("case %u: %lx", i, hardware);
    }
}

/* Of every value, no field counts that is not allowed; and if none is ever changed, the register
 * need not be intercepted. */
static void fixed_is_restricted_when_a_value_would_change(void **state)
{
    (void)state;
    for (u32 allowed = 0; allowed < 16; allowed++)
        for (u32 any = 0; any < 4; any++) {
            struct pmu_intel_caps caps = {.fixed = 0xf, .any_thread = any & 1};
            struct pmu_intel_limits limits = {.fixed = (u16)allowed, .any_thread = any & 2};
            u64 legal = any & 1 ? 0xffff : 0xbbbb;
            bool changed = false;

            for (u64 value = 0; value < 0x10000; value++) {
                u64 hardware = pmu_intel_fixed_value(&caps, &limits, value);

                changed |= !(value & ~legal) && hardware != value;
                for (u32 i = 0; i < 4; i++)
                    assert_true((allowed >> i & 1) || !(FIXED_FIELD(hardware, i) & 3));
            }
            assert_int_equal(changed, pmu_intel_fixed_restricted(&caps, &limits));
        }
}

/* --- auxiliary registers, DEBUGCTL, PERF_CAPABILITIES ----------------------------------------- */

static void auxiliary_registers(void **state)
{
    static const struct pmu_policy policy = {
        .aux_count = 1,
        .aux = {{.mask = ~0ULL, .match = 0x3f803c0001, .kind = AUX_OFFCORE}},
    };
    const struct pmu_intel_limits none = {0}, some = {.policy = &policy};
    u32 found = 0;

    (void)state;
    for (u32 msr = 0; msr < 0x2000; msr++)
        found += pmu_intel_aux(msr) >= 0;
    assert_int_equal(found, PMU_INTEL_AUX);
    assert_int_equal(pmu_intel_aux(IA32_PERFEVTSEL0), -1);
    for (u32 i = 0; i < PMU_INTEL_AUX; i++) {
        assert_int_equal(pmu_intel_aux_value(&none, i, 0x3f803c0001), 0);
        assert_int_equal(pmu_intel_aux_value(&some, i, 0x3f803c0003), 0);
    }
    assert_int_equal(pmu_intel_aux_value(&some, (u32)pmu_intel_aux(0x1a7), 0x3f803c0001),
                     0x3f803c0001);
    assert_int_equal(pmu_intel_aux_value(&some, (u32)pmu_intel_aux(0x3f7), 0x3f803c0001), 0);
}

/* SDM volume 4: MSR_OFFCORE_RSP_0 and 1, the OMRs of version 6, MSR_PEBS_LD_LAT_THRESHOLD,
 * MSR_PEBS_FRONTEND, the snoop responses of E-cores. */
static void each_auxiliary_register_is_of_its_kind(void **state)
{
    static const struct {
        u32 msr;
        enum policy_aux_register kind;
    } cases[] = {
        {0x1a6, AUX_OFFCORE},  {0x1a7, AUX_OFFCORE},  {0x3e0, AUX_OFFCORE}, {0x3e1, AUX_OFFCORE},
        {0x3e2, AUX_OFFCORE},  {0x3e3, AUX_OFFCORE},  {0x3f6, AUX_LDLAT},   {0x3f7, AUX_FRONTEND},
        {0x1328, AUX_OFFCORE}, {0x1329, AUX_OFFCORE},
    };

    (void)state;
    assert_int_equal(COUNT(cases), PMU_INTEL_AUX);
    for (u32 kind = AUX_OFFCORE; kind <= AUX_LDLAT; kind++) {
        const struct pmu_policy policy = {.aux_count = 1, .aux = {{.kind = (u8)kind}}};
        const struct pmu_intel_limits any = {.policy = &policy};

        for (u32 i = 0; i < COUNT(cases); i++) {
            int aux = pmu_intel_aux(cases[i].msr);

            assert_true(aux >= 0 && aux < PMU_INTEL_AUX);
            assert_int_equal(pmu_intel_aux_value(&any, (u32)aux, 5), cases[i].kind == kind ? 5 : 0);
        }
    }
    for (u32 i = 0; i < COUNT(cases); i++)
        for (u32 j = 0; j < i; j++)
            assert_int_not_equal(pmu_intel_aux(cases[i].msr), pmu_intel_aux(cases[j].msr));
}

static void debugctl(void **state)
{
    (void)state;
    assert_int_equal(pmu_intel_debugctl(0, 0xffff), 0xffff & ~(BIT(0) | 0x7c0 | BIT(13)));
    assert_int_equal(pmu_intel_debugctl(0, 0x5802), 0x5802);
    assert_int_equal(pmu_intel_debugctl(BIT(FEATURE_LBR), 0x7c1), 1);
    assert_int_equal(pmu_intel_debugctl(BIT(FEATURE_UNCORE), 0x2000), 0x2000);
    assert_int_equal(pmu_intel_debugctl(BIT(FEATURE_PEBS) | BIT(FEATURE_PT), 0x7c0), 0);
    assert_int_equal(pmu_intel_debugctl(0, BIT(20)), BIT(20)); /* faults as bare */
}

static void capabilities(void **state)
{
    const struct pmu_intel_limits topdown = {.fixed = 0xf}, three = {.fixed = 0x7};

    (void)state;
    assert_int_equal(pmu_intel_capabilities(0, &topdown, ~0ULL), 0x8b000);
    assert_int_equal(pmu_intel_capabilities(0, &three, ~0ULL), 0x3000);
    assert_int_equal(pmu_intel_capabilities(BIT(FEATURE_LBR), &three, ~0ULL), 0x303f);
    assert_int_equal(pmu_intel_capabilities(0, &topdown, 0xb000), 0xb000); /* bed P's own */
}

/* --- a machine of MSRs; those outside the list fault ------------------------------------------ */

static struct {
    u32 leaf_1_eax, leaf_1_ecx, leaf_7_edx, leaf_7_1_eax, leaf_0a[4], leaf_23_0_eax, leaf_23_1[4];
    u64 selector[PMU_INTEL_COUNTERS], fixed_ctrl, offcore, capabilities;
    u32 selectors;
    u64 pebs_enable, rtit_ctl, lbr_ctl, snoop;
    bool no_fixed, no_aux;
} machine;

static void fake_cpuid(u32 leaf, u32 subleaf, u32 out[4])
{
    memset(out, 0, 16);
    if (leaf == 1) {
        out[0] = machine.leaf_1_eax;
        out[2] = machine.leaf_1_ecx;
    }
    if (leaf == 7 && subleaf == 0)
        out[3] = machine.leaf_7_edx;
    if (leaf == 7 && subleaf == 1)
        out[0] = machine.leaf_7_1_eax;
    if (leaf == 0xa)
        memcpy(out, machine.leaf_0a, 16);
    if (leaf == 0x23 && subleaf == 0)
        out[0] = machine.leaf_23_0_eax;
    if (leaf == 0x23 && subleaf == 1)
        memcpy(out, machine.leaf_23_1, 16);
}

static u64 *register_of(u32 msr)
{
    if (msr - 0x186 < machine.selectors)
        return &machine.selector[msr - 0x186];
    switch (msr) {
    case 0x38d:
        return machine.no_fixed ? NULL : &machine.fixed_ctrl;
    case 0x1a6:
        return machine.no_aux ? NULL : &machine.offcore;
    case 0x1329:
        return machine.no_aux ? NULL : &machine.snoop;
    case 0x570:
        return &machine.rtit_ctl;
    case 0x14ce:
        return &machine.lbr_ctl;
    case 0x3f1:
        return &machine.pebs_enable;
    case 0x345:
        return &machine.capabilities;
    }
    return NULL;
}

static bool fake_rdmsr(u32 msr, u64 *value)
{
    const u64 *at = register_of(msr);

    if (at)
        *value = *at;
    return at;
}

static bool fake_wrmsr(u32 msr, u64 value)
{
    u64 *at = register_of(msr);

    if (at)
        *at = value;
    return at;
}

static const struct pmu_access access = {fake_cpuid, fake_rdmsr, fake_wrmsr};

static struct pmu_intel_caps discovered(u32 eax, u32 ecx, u32 edx)
{
    struct pmu_intel_caps caps;

    machine.leaf_0a[0] = eax;
    machine.leaf_0a[2] = ecx;
    machine.leaf_0a[3] = edx;
    pmu_intel_discover(&caps, &access);
    return caps;
}

static void discovery(void **state)
{
    struct pmu_intel_caps caps;

    (void)state;
    memset(&machine, 0, sizeof(machine));
    caps = discovered(0x07300403, 0, 0x603); /* Sandy Bridge */
    assert_int_equal(caps.version, 3);
    assert_int_equal(caps.counters, 4);
    assert_int_equal(caps.width, 48);
    assert_int_equal(caps.fixed, 7);
    assert_int_equal(caps.fixed_width, 48);
    assert_true(caps.any_thread && !caps.full_width && !caps.hybrid);
    assert_int_equal(caps.general, 0xf);
    machine.leaf_1_ecx = BIT(15);
    machine.capabilities = BIT(13);
    caps = discovered(0x08300805, 0xf, 0x8604); /* Ice Lake */
    assert_int_equal(caps.counters, 8);
    assert_int_equal(caps.fixed, 0xf);
    assert_true(!caps.any_thread && caps.full_width);
    machine.leaf_7_1_eax = BIT(8);
    machine.leaf_23_0_eax = BIT(1);
    machine.leaf_23_1[0] = 0x3ff;
    machine.leaf_23_1[1] = 0x77;
    caps = discovered(0x0c300806, 0xf, 0x8604);
    assert_int_equal(caps.counters, 10);
    assert_int_equal(caps.general, 0x3ff);
    assert_int_equal(caps.fixed, 0x77);
    machine.leaf_23_1[0] = 0xff0; /* without the first four; and two more than there is room for */
    caps = discovered(0x0c300806, 0xf, 0x8604);
    assert_int_equal(caps.general, 0x3f0);
    assert_int_equal(caps.counters, 10);
    caps = discovered(0x0c301005, 0xf, 0x8604); /* 16 by CPUID.0AH */
    assert_int_equal(caps.general, 0x3ff);
    machine.leaf_23_0_eax = 0;
    caps = discovered(0x0c300806, 0xf, 0x8604); /* no leaf of counters */
    assert_int_equal(caps.general, 0xff);
    assert_int_equal(caps.fixed, 0xf);
    machine.leaf_7_edx = BIT(15);
    assert_true(discovered(0x0c300806, 0xf, 0x8604).hybrid);
}

/* AnyThread acts from version 3 on until bit 15 of EDX deprecates it; the bitmaps of fixed counters
 * and of all are version 5's and 6's. */
static void versions_differ(void **state)
{
    static const struct {
        u32 eax, ecx, edx;
        bool any_thread;
        u8 counters;
        u16 general, fixed;
    } cases[] = {
        {0x07300202, 0xff, 0x603, false, 2, 0x3, 0x7},
        {0x07300203, 0xff, 0x603, true, 2, 0x3, 0x7},
        {0x07300404, 0xff, 0x8603, false, 4, 0xf, 0x7},
        {0x07300404, 0xf0, 0x0604, true, 4, 0xf, 0xf},
        {0x07300405, 0xf0, 0x8604, false, 4, 0xf, 0xff},
        {0x07300405, 0x00, 0x8604, false, 4, 0xf, 0xf},
        {0x07300406, 0xf0, 0x8604, false, 6, 0x30, 0x3},
        {0x07300000, 0, 0, false, 0, 0, 0}, /* none */
    };

    (void)state;
    memset(&machine, 0, sizeof(machine));
    machine.leaf_7_1_eax = BIT(8);
    machine.leaf_23_0_eax = BIT(1);
    machine.leaf_23_1[0] = 0x30;
    machine.leaf_23_1[1] = 0x3;
    machine.capabilities = BIT(13); /* not to be asked for without PDCM */
    for (u32 i = 0; i < COUNT(cases); i++) {
        struct pmu_intel_caps caps = discovered(cases[i].eax, cases[i].ecx, cases[i].edx);

        assert_int_equal(caps.version, cases[i].eax & 0xff);
        assert_int_equal(caps.any_thread, cases[i].any_thread);
        assert_int_equal(caps.general, cases[i].general);
        assert_int_equal(caps.fixed, cases[i].fixed);
        assert_int_equal(caps.counters, cases[i].counters);
        assert_false(caps.full_width || caps.hybrid);
    }
    machine.leaf_7_1_eax = ~(u32)BIT(8);
    assert_int_equal(discovered(0x07300406, 0xf0, 0x8604).general, 0xf);
    machine.leaf_1_ecx = ~0U;
    machine.capabilities = ~BIT(13);
    machine.leaf_7_edx = ~(u32)BIT(15);
    assert_false(discovered(0x07300406, 0xf0, 0x8604).full_width);
    assert_false(discovered(0x07300406, 0xf0, 0x8604).hybrid);
    assert_int_equal(discovered(0x07280406, 0, 0x8404).width, 40);
    assert_int_equal(discovered(0x07280406, 0, 0x8404).fixed_width, 32);
}

/* By family and model, whatever the stepping. */
static void exits_that_count(void **state)
{
    static const struct {
        u32 eax;
        bool overcounts;
    } cases[] = {
        {0x000406d8, true},  /* Avoton */
        {0x000506f1, true},  /* Denverton */
        {0x00080665, true},  /* Snow Ridge */
        {0x000a06f3, true},  /* Sierra Forest */
        {0x000d06d0, true},  /* Clearwater Forest */
        {0x000606a6, false}, /* Ice Lake */
        {0x000806f8, false}, /* Sapphire Rapids */
        {0x000b06e0, false}, /* Gracemont, of which nothing is known */
        {0x000a0ff3, false}, /* family 15 */
    };

    (void)state;
    memset(&machine, 0, sizeof(machine));
    for (u32 i = 0; i < COUNT(cases); i++) {
        machine.leaf_1_eax = cases[i].eax;
        assert_int_equal(discovered(0x08300805, 0xf, 0x8604).overcounts, cases[i].overcounts);
    }
}

/* Cycles by a selector or by a fixed counter; nothing else says anything of APERF. */
static void what_the_policy_grants(void **state)
{
    static struct filter none;
    const struct pmu_intel_limits no_cycles = {.fixed = 0xfffd}, cycles = {.fixed = 2};

    (void)state;
    assert_int_equal(pmu_intel_grants(PMU_FILTERED, &filter, &no_cycles), BIT(FEATURE_CYCLES));
    assert_int_equal(pmu_intel_grants(PMU_FILTERED, &none, &cycles), BIT(FEATURE_CYCLES));
    assert_int_equal(pmu_intel_grants(PMU_FILTERED, &none, &no_cycles), 0);
    assert_int_equal(pmu_intel_grants(PMU_FULL, &none, &no_cycles), BIT(FEATURE_CYCLES));
    assert_int_equal(pmu_intel_grants(PMU_OFF, &filter, &cycles), 0);
}

static const struct pmu_intel_limits limits = {.fixed = 7},
                                     two_only = {.fixed = 3, .restricted = true};

/* Alder Lake's two kinds of cores as its successors have them: counters 0 to 3, and 0 to 2 with 4
 * to 6, that the policy does not name. */
static void cores_of_a_hybrid_are_judged_each(void **state)
{
    struct pmu_intel_limits three = {.fixed = 7}, all = {.fixed = 0xffff};
    struct pmu_intel_caps big, small;

    (void)state;
    memset(&machine, 0, sizeof(machine));
    machine.leaf_7_edx = BIT(15);
    big = discovered(0x08300805, 0xf, 0x8604);
    small = discovered(0x06300605, 0x77, 0x8603);
    assert_int_equal(big.general, 0xff);
    assert_int_equal(small.general, 0x3f);
    assert_int_equal(small.fixed, 0x77);
    assert_int_equal(pmu_intel_fixed_value(&small, &three, 0x3330333), 0x0000333);
    assert_int_equal(pmu_intel_fixed_value(&small, &three, 0x3333003), 0x0003003);
    assert_int_equal(pmu_intel_fixed_value(&big, &three, 0x3333003), 0x3330003);
    assert_int_equal(pmu_intel_fixed_value(&small, &all, 0x3333003), 0x3333003);
    assert_true(pmu_intel_fixed_restricted(&big, &three));
    assert_true(pmu_intel_fixed_restricted(&small, &three));
    three.fixed = 0xf; /* all that the core that asks has */
    assert_true(pmu_intel_fixed_restricted(&big, &three));
    assert_false(pmu_intel_fixed_restricted(&big, &all));
    big.hybrid = false;
    assert_false(pmu_intel_fixed_restricted(&big, &three));
}

static void reset_machine(void)
{
    memset(&machine, 0, sizeof(machine));
    machine.selectors = 4;
    machine.selector[0] = USUAL | 0xc0;
    machine.selector[3] = USUAL | 0x1b7;
    machine.fixed_ctrl = 0x333;
    machine.offcore = 0x10001;
    machine.pebs_enable = 1;
    machine.leaf_0a[0] = 0x07300404; /* version 4, four counters of 48 bits */
    machine.leaf_0a[3] = 0x8603;
}

static void start_judges_what_firmware_left(void **state)
{
    struct pmu_intel pmu;

    (void)state;
    reset_machine();
    memset(&pmu, 0x55, sizeof(pmu)); /* a life before */
    pmu_intel_start(&pmu, PMU_FILTERED, &filter, &two_only, &access);
    assert_int_equal(denials_total(&pmu.core.denials), 0);
    assert_int_equal(machine.selector[0], USUAL | 0xc0);
    assert_int_equal(machine.selector[3], 0);
    assert_int_equal(machine.fixed_ctrl, 0x033);
    assert_int_equal(machine.offcore, 0);
    assert_int_equal(machine.pebs_enable, 0);
    assert_int_equal(pmu_intel_read(&pmu, PMU_FILTERED, 3), USUAL | 0x1b7);
    assert_int_equal(pmu.fixed_ctrl, 0x333);
    assert_int_equal(pmu.aux[0], 0x10001);
    assert_int_equal(pmu.core.attention, 0xf);
    assert_true(pmu.fixed_kept);
    assert_int_equal(pmu.caps.general, 0xf);
    assert_int_equal(pmu.caps.version, 4);
}

/* What would write to memory past the maps, or record the hypervisor: whatever firmware left. */
static void start_stops_what_records(void **state)
{
    struct pmu_intel pmu;

    (void)state;
    for (enum pmu_mode mode = PMU_FILTERED; mode <= PMU_OFF; mode++) {
        reset_machine();
        machine.rtit_ctl = machine.lbr_ctl = machine.pebs_enable = 1;
        machine.snoop = 7;
        pmu_intel_start(&pmu, mode, &filter, &two_only, &access);
        assert_int_equal(machine.rtit_ctl | machine.lbr_ctl | machine.pebs_enable, 0);
        assert_int_equal(machine.offcore | machine.snoop, 0);
        assert_int_equal(pmu.aux[PMU_INTEL_AUX - 1], 7);
        assert_int_equal(pmu.fixed_kept, mode != PMU_FULL);
        assert_int_equal(machine.selector[0], mode == PMU_OFF ? 0 : USUAL | 0xc0);
        assert_int_equal(machine.selector[3], mode == PMU_FULL ? USUAL | 0x1b7 : 0);
        assert_int_equal(machine.fixed_ctrl, mode == PMU_FULL ? 0x333 : mode == PMU_OFF ? 0 : 0x33);
    }
}

/* An allowed value stays in its register, but for PMU_OFF. */
static void auxiliary_values_are_judged_at_a_switch(void **state)
{
    static const struct pmu_policy policy = {
        .aux_count = 1, .aux = {{.mask = ~0ULL, .match = 0x10001, .kind = AUX_OFFCORE}}};
    const struct pmu_intel_limits some = {.policy = &policy};
    struct pmu_intel pmu;

    (void)state;
    reset_machine();
    machine.snoop = 7;
    pmu_intel_start(&pmu, PMU_FILTERED, &filter, &some, &access);
    assert_int_equal(machine.offcore, 0x10001);
    assert_int_equal(machine.snoop, 0);
    pmu_intel_switch(&pmu, PMU_FILTERED, PMU_OFF, &filter, &some, &access);
    assert_int_equal(machine.offcore, 0);
    pmu_intel_switch(&pmu, PMU_OFF, PMU_FULL, &filter, &some, &access);
    assert_int_equal(machine.offcore, 0x10001);
    pmu_intel_switch(&pmu, PMU_FULL, PMU_FILTERED, &filter, &limits, &access);
    assert_int_equal(machine.offcore, 0);
}

/* A processor without, as its registers say. */
static void what_is_not_there_is_0(void **state)
{
    struct pmu_intel pmu;

    (void)state;
    reset_machine();
    machine.selectors = 2;
    machine.no_fixed = machine.no_aux = true;
    pmu_intel_start(&pmu, PMU_FULL, &filter, &limits, &access);
    pmu.shadow[3] = pmu.fixed_ctrl = 0x33;
    machine.selector[1] = USUAL | 0x3c;
    pmu_intel_switch(&pmu, PMU_FULL, PMU_FILTERED, &filter, &limits, &access);
    assert_int_equal(pmu.shadow[1], USUAL | 0x3c);
    assert_int_equal(pmu.shadow[3], 0);
    assert_int_equal(pmu.fixed_ctrl, 0);
    pmu.aux[0] = 5;
    read_aux(&pmu, &access);
    assert_int_equal(pmu.aux[0], 0);
}

static void switching_judges_again(void **state)
{
    struct pmu_intel pmu;

    (void)state;
    reset_machine();
    pmu_intel_start(&pmu, PMU_FILTERED, &filter, &limits, &access);
    assert_false(pmu.fixed_kept); /* not intercepted */
    machine.fixed_ctrl = 0x3b3;   /* so the guest writes it itself */
    pmu.core.attention = 0;
    pmu_intel_switch(&pmu, PMU_FILTERED, PMU_FULL, &filter, &limits, &access);
    assert_int_equal(machine.selector[3], USUAL | 0x1b7);
    assert_int_equal(machine.fixed_ctrl, 0x3b3);
    assert_int_equal(pmu.core.attention, 0xf);
    machine.selector[1] = USUAL | 0x1bb;
    machine.selector[2] = USUAL | 0x3c;
    pmu_intel_switch(&pmu, PMU_FULL, PMU_FILTERED, &filter, &two_only, &access);
    assert_int_equal(machine.selector[1], 0);
    assert_int_equal(machine.selector[2], USUAL | 0x3c);
    assert_int_equal(machine.fixed_ctrl, 0x0b3);
    pmu_intel_switch(&pmu, PMU_FILTERED, PMU_OFF, &filter, &two_only, &access);
    assert_int_equal(machine.selector[2] | machine.fixed_ctrl, 0);
    pmu_intel_switch(&pmu, PMU_OFF, PMU_FILTERED, &filter, &limits, &access);
    assert_int_equal(machine.selector[2], USUAL | 0x3c);
    assert_int_equal(machine.fixed_ctrl, 0x3b3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_selector_alias_is_known),
        cmocka_unit_test(architectural_preset),
        cmocka_unit_test(allowed_values_reach_the_hardware_as_written),
        cmocka_unit_test(denied_values_leave_what_may_fault),
        cmocka_unit_test(hardware_never_counts_more),
        cmocka_unit_test(modes),
        cmocka_unit_test(guest_reads_what_it_wrote_and_denials_are_told),
        cmocka_unit_test(fixed_fields),
        cmocka_unit_test(fixed_is_restricted_when_a_value_would_change),
        cmocka_unit_test(auxiliary_registers),
        cmocka_unit_test(each_auxiliary_register_is_of_its_kind),
        cmocka_unit_test(debugctl),
        cmocka_unit_test(capabilities),
        cmocka_unit_test(discovery),
        cmocka_unit_test(exits_that_count),
        cmocka_unit_test(what_the_policy_grants),
        cmocka_unit_test(cores_of_a_hybrid_are_judged_each),
        cmocka_unit_test(start_judges_what_firmware_left),
        cmocka_unit_test(versions_differ),
        cmocka_unit_test(start_stops_what_records),
        cmocka_unit_test(auxiliary_values_are_judged_at_a_switch),
        cmocka_unit_test(what_is_not_there_is_0),
        cmocka_unit_test(switching_judges_again),
    };

    return cmocka_run_group_tests(tests, build, NULL);
}
