/* Whom an emulated instruction is credited to, and what happens when that makes a counter wrap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "pmu/amd.c"
#define read_selectors read_intel_selectors
#undef EVENT
#include "pmu/intel.c"
#include "pmu/lbr_intel.c"
#include "counters/credit_amd.c"
#define credited          intel_credited
#define credited_selector intel_credited_selector
#define add_one           intel_add_one
#define always            intel_always
#include "counters/credit_intel.c"
#undef credited
#include "pmu/filter.c"
#include "counters/pmi.c"
#include "pmu/policy.c"

#define RINGS   (EVTSEL_USR | EVTSEL_OS)
#define RUNNING (EVTSEL_EN | RINGS)
#define TOP     MASK(47, 0)
#define ALL     (~0ULL)

#define ALL_SELECTORS (u16)(hv.intel ? 0xff : PMU_AMD_ALL)

struct hv hv;
struct pmu pmu;

static struct cpu cpu;
static struct filter filter;
static u8 apic_page[4096] __attribute__((aligned(4096)));
static u32 sent[4], sends;

void apic_send(u32 apic_id, u32 low)
{
    assert_int_equal(apic_id, 7);
    sent[sends++] = low;
}

static u64 msr(u32 number)
{
    return rdmsr(number);
}

static void set_msr(u32 number, u64 value)
{
    fake.msr[fake_msr_index(number)].value = value;
}

static u32 *lvtpc(void)
{
    return (u32 *)(apic_page + 0x340);
}

static void start(enum cpu_vendor vendor)
{
    memset(&fake, 0, sizeof(fake));
    memset(&cpu, 0, sizeof(cpu));
    memset(&pmu, 0, sizeof(pmu));
    memset(apic_page, 0, sizeof(apic_page));
    sends = 0;
    cpu.apic_id = 7;
    hv.intel = vendor == CPU_INTEL;
    cpu.pmu.core.attention = ALL_SELECTORS;
    hv.apic_base = (u64)apic_page;
    fake_msr(IA32_APIC_BASE, APIC_BASE_EN, ALL);
    fake_msr(0x834, 0, ALL);
    fake_msr(IA32_DEBUGCTL, 0, ALL);
    *lvtpc() = 0x400; /* NMI */
    cpu.pmu.core.filter = &filter;
}

static void start_amd(bool v2)
{
    struct policy_cpu cpu_amd = {.format = &filter_format_amd};

    start(CPU_AMD);
    pmu.amd = (struct pmu_amd_caps){.counters = 6, .extended = true, .perfmon_v2 = v2};
    cpu_amd.architectural = pmu_amd_architectural(0x19, &cpu_amd.architectural_count);
    policy_build(&filter, &policy_default, &cpu_amd);
    for (u32 i = 0; i < 6; i++) {
        fake_msr(MSR_PERF_CTL + 2 * i, 0, ALL);
        fake_msr(MSR_PERF_CTR + 2 * i, 100 * i, TOP);
    }
    if (!v2)
        return;
    fake_msr(MSR_PERF_GLOBAL_STATUS, 0, 0);
    fake_msr(MSR_PERF_GLOBAL_CTL, 0x3f, 0x3f);
    fake_msr(MSR_PERF_GLOBAL_STATUS_SET, 0, ALL);
}

static void start_intel(u8 version, bool full_width)
{
    static const struct policy_cpu cpu_intel = {.format = &filter_format_intel,
                                                .architectural = pmu_intel_architectural,
                                                .architectural_count = 7};

    start(CPU_INTEL);
    cpu.pmu.intel.caps = (struct pmu_intel_caps){.version = version,
                                                 .counters = 8,
                                                 .general = 0xff,
                                                 .width = 48,
                                                 .fixed_width = 48,
                                                 .fixed = 7,
                                                 .full_width = full_width};
    policy_build(&filter, &policy_default, &cpu_intel);
    for (u32 i = 0; i < 8; i++) {
        fake_msr(IA32_PERFEVTSEL0 + i, 0, ALL);
        fake_msr((full_width ? IA32_A_PMC0 : IA32_PMC0) + i, 100 * i, ALL);
    }
    for (u32 i = 0; i < 3; i++)
        fake_msr(IA32_FIXED_CTR0 + i, 1000 * i, TOP);
    fake_msr(IA32_FIXED_CTR_CTRL, 0, 0xbbb);
    fake_msr(IA32_PERF_GLOBAL_STATUS, 0, 0);
    if (version >= 4)
        fake_msr(IA32_PERF_GLOBAL_STATUS_SET, 0, ALL);
}

static bool is_amd(void)
{
    return !hv.intel;
}

/* As the vendors' slow exits do it. */
static void begin(bool user, u64 global_ctrl)
{
    if (is_amd() && cpu.pmu.core.attention)
        credit_begin_amd(&cpu, user);
    else if (!is_amd() && pmu_intel_may_credit(&cpu.pmu.intel, global_ctrl))
        credit_begin_intel(&cpu, user, global_ctrl);
    else
        credit_nobody(&cpu);
}

/* -> what wrapped */
static u64 finish(u64 debugctl)
{
    u64 wrapped;

    if (!credit_is_due(&cpu))
        return 0;
    wrapped = is_amd() ? credit_finish_amd(&cpu) : credit_finish_intel(&cpu);
    if (wrapped && is_amd())
        credit_overflow_amd(&cpu, wrapped, debugctl);
    else if (wrapped)
        credit_overflow_intel(&cpu, wrapped, debugctl);
    return wrapped;
}

/* An instruction, from exit to entry. */
static u64 emulate(bool user, u64 global_ctrl)
{
    u64 due;

    begin(user, global_ctrl);
    due = cpu.pmu.core.due;
    finish(0);
    return due;
}

/* --- which selectors -------------------------------------------------------------------------- */

static void amd_events_and_rings(void **state)
{
    static const struct {
        u64 selector;
        bool kernel, user;
    } cases[] = {
        {RUNNING | 0xc0, true, true},
        {RUNNING | 0x76, true, true},
        {EVTSEL_EN | EVTSEL_OS | 0xc0, true, false},
        {EVTSEL_EN | EVTSEL_USR | 0xc0, false, true},
        {EVTSEL_EN | 0xc0, false, false},
        {RINGS | 0xc0, false, false},
        {RUNNING | 0xc2, false, false},
        {RUNNING | 0xc3, false, false},
        {RUNNING | 0x1000000c0, false, false}, /* denied */
        {RUNNING | 0x1c0, false, false},       /* denied: its umask is not in the list */
        {RUNNING | PERF_CTL_HOST_ONLY | 0xc0, true, true}, /* GuestOnly in the hardware */
    };
    (void)state;

    start_amd(true);
    for (u32 i = 0; i < COUNT(cases); i++) {
        cpu.pmu.amd.shadow[2] = cases[i].selector;
        cpu.pmu.core.attention = ALL_SELECTORS;
        assert_int_equal(emulate(false, 0), cases[i].kernel ? BIT(2) : 0);
        cpu.pmu.core.attention = ALL_SELECTORS;
        assert_int_equal(emulate(true, 0), cases[i].user ? BIT(2) : 0);
    }
}

static void intel_events_and_rings(void **state)
{
    static const struct {
        u64 selector;
        bool kernel, user;
    } cases[] = {
        {RUNNING | 0xc0, true, true},
        {RUNNING | 0x3c, true, true},
        {EVTSEL_EN | EVTSEL_OS | 0xc0, true, false},
        {EVTSEL_EN | EVTSEL_USR | 0x3c, false, true},
        {RINGS | 0xc0, false, false},
        {RUNNING | 0x13c, false, false}, /* reference cycles */
        {RUNNING | 0xc4, false, false},
        {RUNNING | 0x1c0, false, false},          /* denied */
        {RUNNING | BIT(32) | 0xc0, false, false}, /* denied: IN_TX */
        {RUNNING | BIT(33) | 0xc0, false, false}, /* denied: IN_TXCP, which stays in the hardware */
    };
    (void)state;

    start_intel(5, true);
    for (u32 i = 0; i < COUNT(cases); i++) {
        cpu.pmu.intel.shadow[7] = cases[i].selector;
        cpu.pmu.core.attention = ALL_SELECTORS;
        assert_int_equal(emulate(false, 0xff), cases[i].kernel ? BIT(7) : 0);
        cpu.pmu.core.attention = ALL_SELECTORS;
        assert_int_equal(emulate(true, 0xff), cases[i].user ? BIT(7) : 0);
        assert_int_equal(cpu.pmu.core.attention, cases[i].kernel || cases[i].user ? BIT(7) : 0);
    }
}

/* docs/pmu-model.md, rule 10, for one event in the cycle and for none. */
static void thresholds(void **state)
{
    static const struct {
        u64 bits;
        bool event, none;
    } cases[] = {
        {0, true, false},
        {EVTSEL_INV, true, false},
        {1 << 24, true, false},
        {2 << 24, false, false},
        {0xffULL << 24, false, false},
        {1 << 24 | EVTSEL_INV, false, true},
        {2 << 24 | EVTSEL_INV, true, true},
        {EVTSEL_EDGE, false, false},
        {1 << 24 | EVTSEL_EDGE, false, false},
        {2 << 24 | EVTSEL_EDGE | EVTSEL_INV, false, false},
    };
    (void)state;

    for (u32 i = 0; i < COUNT(cases); i++) {
        assert_int_equal(credit_counts(cases[i].bits, 1), cases[i].event);
        assert_int_equal(credit_counts(cases[i].bits, 0), cases[i].none);
    }
}

static void unfiltered_selectors_are_the_hardwares(void **state)
{
    static const struct {
        u64 sides;
        bool counts;
    } cases[] = {{0, true},
                 {PERF_CTL_GUEST_ONLY, true},
                 {PERF_CTL_HOST_ONLY, false},
                 {PERF_CTL_GUEST_ONLY | PERF_CTL_HOST_ONLY, true}};
    (void)state;

    start_amd(true);
    cpu.pmu.core.mode = PMU_FULL;
    for (u32 i = 0; i < COUNT(cases); i++) {
        set_msr(MSR_PERF_CTL + 2, RUNNING | 0x1c0 | cases[i].sides);
        assert_int_equal(emulate(false, 0), cases[i].counts ? BIT(1) : 0);
        assert_true(cpu.pmu.core.attention);
    }
    start_intel(5, true);
    cpu.pmu.core.mode = PMU_FULL;
    set_msr(IA32_PERFEVTSEL0 + 4, RUNNING | 0x1c0);
    set_msr(IA32_PERFEVTSEL0 + 5, RUNNING | 0xc0 | BIT(32));
    assert_int_equal(emulate(false, 0xff), BIT(4));
}

/* The filter is all zeros then, which refuses no CMASK by itself: nobody needs to look any more. */
static void nothing_counts_when_off(void **state)
{
    static struct filter nothing;

    (void)state;
    start_amd(true);
    cpu.pmu.core.mode = PMU_OFF;
    cpu.pmu.core.filter = &nothing;
    cpu.pmu.amd.shadow[0] = RUNNING | 0xc0;
    assert_int_equal(emulate(false, 0), 0);
    assert_int_equal(cpu.pmu.core.attention, 0);
    start_intel(5, true);
    cpu.pmu.core.mode = PMU_OFF;
    cpu.pmu.core.filter = &nothing;
    cpu.pmu.intel.shadow[0] = RUNNING | 0xc0;
    assert_int_equal(emulate(false, 0xff), 0);
    assert_int_equal(cpu.pmu.core.attention, 0);
}

/* In PMU_FULL all that there are may have been written meanwhile; what is not there counts nothing.
 */
static void every_counter_is_looked_at_while_unfiltered(void **state)
{
    (void)state;
    start_amd(true);
    cpu.pmu.core.mode = PMU_FULL;
    emulate(false, 0);
    assert_int_equal(cpu.pmu.core.attention, 0x3f);
    set_msr(MSR_PERF_CTL + 10, EVTSEL_EN | EVTSEL_USR | 0x76);
    assert_int_equal(emulate(true, 0), BIT(5));
    assert_int_equal(emulate(false, 0), 0);
    start_intel(5, true);
    cpu.pmu.core.mode = PMU_FULL;
    cpu.pmu.intel.caps.general = 0x3ff;
    cpu.pmu.intel.shadow[9] = RUNNING | 0xc0;
    emulate(false, 0x3ff);
    assert_int_equal(cpu.pmu.core.attention, 0x3ff);
    assert_int_equal(emulate(false, 0x3ff), 0);
    set_msr(IA32_PERFEVTSEL0 + 7, RUNNING | 0x3c);
    assert_int_equal(emulate(false, 0x3ff), BIT(7));
}

static void attention_ends_when_nobody_needs_it(void **state)
{
    (void)state;
    start_amd(true);
    cpu.pmu.amd.shadow[0] = RUNNING | 0xc2;
    emulate(false, 0);
    assert_false(cpu.pmu.core.attention);
    pmu_amd_commit(&cpu.pmu.amd, 0, RINGS | 0xc0, RINGS | 0xc0 | PERF_CTL_GUEST_ONLY);
    assert_false(cpu.pmu.core.attention);
    pmu_amd_commit(&cpu.pmu.amd, 0, RUNNING | 0xc0, 0); /* denied */
    assert_false(cpu.pmu.core.attention);
    pmu_amd_commit(&cpu.pmu.amd, 0, EVTSEL_EN | EVTSEL_USR | 0x76,
                   EVTSEL_EN | EVTSEL_USR | 0x76 | PERF_CTL_GUEST_ONLY);
    assert_true(cpu.pmu.core.attention);
    emulate(false, 0); /* not this instruction, but the next at CPL 3 */
    assert_true(cpu.pmu.core.attention);
}

/* Every selector that is ever credited makes the writer ask for attention. */
static void attention_is_asked_for(void **state)
{
    (void)state;
    for (u32 amd = 0; amd < 2; amd++)
        for (u64 low = 0; low < BIT(16); low++)
            for (u64 inv = 0; inv < 2; inv++) {
                u64 value = low | RUNNING | inv << 23;

                assert_true(!(amd ? credited(value) : intel_credited(&cpu.pmu.intel.caps, value)) ||
                            (amd ? pmu_amd_needs_attention((u32)value)
                                 : pmu_intel_needs_attention((u32)value)));
            }
}

static void policies_with_cmask_need_it_always(void **state)
{
    static const struct pmu_policy cmask = {.modifiers = {EVTSEL_CMASK}};
    static const struct policy_cpu processor = {.format = &filter_format_amd};
    static const struct policy_cpu intel = {.format = &filter_format_intel};
    (void)state;

    start_amd(true);
    policy_build(&filter, &cmask, &processor);
    emulate(false, 0);
    assert_int_equal(cpu.pmu.core.attention, 0x3f);
    start_intel(5, true);
    policy_build(&filter, &cmask, &intel);
    emulate(false, 0xff);
    assert_int_equal(cpu.pmu.core.attention, 0xff);
}

/* --- what stops counters ---------------------------------------------------------------------- */

static void global_control_and_freezing(void **state)
{
    (void)state;
    start_amd(true);
    cpu.pmu.amd.shadow[0] = cpu.pmu.amd.shadow[5] = RUNNING | 0xc0;
    set_msr(MSR_PERF_GLOBAL_CTL, 0x20);
    assert_int_equal(emulate(false, 0), BIT(5));
    set_msr(MSR_PERF_GLOBAL_STATUS, GLOBAL_FROZEN);
    assert_int_equal(emulate(false, 0), 0);
    start_amd(false);
    cpu.pmu.amd.shadow[0] = RUNNING | 0xc0;
    assert_int_equal(emulate(false, 0), BIT(0));

    start_intel(4, true);
    cpu.pmu.intel.shadow[0] = cpu.pmu.intel.shadow[3] = RUNNING | 0xc0;
    set_msr(IA32_FIXED_CTR_CTRL, 0x333);
    assert_int_equal(emulate(false, 0), 0);
    assert_int_equal(emulate(false, BIT(3) | BIT(33) | BIT(34)), BIT(3) | BIT(33));
    set_msr(IA32_PERF_GLOBAL_STATUS, GLOBAL_FROZEN);
    assert_int_equal(emulate(false, ALL), 0);
    start_intel(3, true);
    set_msr(IA32_FIXED_CTR_CTRL, 0x3);
    set_msr(IA32_PERF_GLOBAL_STATUS, GLOBAL_FROZEN); /* reserved before version 4 */
    assert_int_equal(emulate(false, ALL), BIT(32));
}

static void fixed_counters(void **state)
{
    (void)state;
    start_intel(5, true);
    set_msr(IA32_FIXED_CTR_CTRL, 0x21);
    assert_int_equal(emulate(false, ALL), BIT(32));
    assert_int_equal(emulate(true, ALL), BIT(33));
    assert_int_equal(msr(IA32_FIXED_CTR0), 1);
    assert_int_equal(msr(IA32_FIXED_CTR0 + 1), 1001);
    assert_int_equal(msr(IA32_FIXED_CTR0 + 2), 2000);
}

/* Where the exit itself counts as an instruction only cycles are credited, by whatever counter. */
static void instructions_that_the_exit_has_counted(void **state)
{
    (void)state;
    start_intel(5, true);
    cpu.pmu.intel.caps.overcounts = true;
    cpu.pmu.intel.shadow[2] = RUNNING | 0xc0;
    cpu.pmu.intel.shadow[5] = RUNNING | 0x3c;
    set_msr(IA32_FIXED_CTR_CTRL, 0x33);
    assert_int_equal(emulate(false, ALL), BIT(33) | BIT(5));
    assert_int_equal(msr(IA32_A_PMC0 + 2), 200);
    assert_int_equal(msr(IA32_A_PMC0 + 5), 501);
    assert_int_equal(msr(IA32_FIXED_CTR0), 0);
    assert_int_equal(msr(IA32_FIXED_CTR0 + 1), 1001);
    assert_int_equal(cpu.pmu.core.attention, BIT(5));
}

/* --- crediting -------------------------------------------------------------------------------- */

static void counters_rise_by_one_once(void **state)
{
    (void)state;
    start_amd(true);
    cpu.pmu.amd.shadow[1] = RUNNING | 0xc0;
    cpu.pmu.amd.shadow[4] = RUNNING | 0x76;
    emulate(false, 0);
    finish(0);
    assert_int_equal(msr(MSR_PERF_CTR), 0);
    assert_int_equal(msr(MSR_PERF_CTR + 2), 101);
    assert_int_equal(msr(MSR_PERF_CTR + 8), 401);
    start_intel(5, true);
    cpu.pmu.intel.shadow[1] = RUNNING | 0xc0;
    emulate(false, 0xff);
    assert_false(credit_is_due(&cpu));
    finish(0);
    assert_int_equal(msr(IA32_A_PMC0), 0);
    assert_int_equal(msr(IA32_A_PMC0 + 1), 101);
}

/* Rule 3: of the write that enables and the one that disables, the second counts. */
static void the_settings_before_it_decide(void **state)
{
    u64 on = RUNNING | 0xc0;
    (void)state;

    start_amd(true);
    begin(false, 0);
    pmu_amd_commit(&cpu.pmu.amd, 0, on, on | PERF_CTL_GUEST_ONLY);
    finish(0);
    assert_int_equal(msr(MSR_PERF_CTR), 0);
    begin(false, 0);
    pmu_amd_commit(&cpu.pmu.amd, 0, 0, PERF_CTL_GUEST_ONLY);
    finish(0);
    assert_int_equal(msr(MSR_PERF_CTR), 1);
    assert_int_equal(emulate(false, 0), 0);
}

static void four_counters_have_older_names(void **state)
{
    (void)state;
    start_amd(false);
    pmu.amd.extended = false;
    pmu.amd.counters = 4;
    fake_msr(MSR_PERF_LEGACY_CTR + 3, 5, TOP);
    cpu.pmu.amd.shadow[3] = RUNNING | 0xc0;
    emulate(false, 0);
    assert_int_equal(msr(MSR_PERF_LEGACY_CTR + 3), 6);
}

static void narrow_writes(void **state)
{
    static const struct {
        u64 before, after;
    } cases[] = {{0x7ffffffe, 0x7fffffff},
                 {0x7fffffff, 0x7fffffff}, /* 80000000H would be sign-extended */
                 {0x123456789000, 0x123456789000},
                 {TOP - 1, TOP},
                 {0xffff7fffffff, 0xffff80000000}};
    (void)state;

    start_intel(4, false);
    cpu.pmu.intel.shadow[0] = RUNNING | 0xc0;
    for (u32 i = 0; i < COUNT(cases); i++) {
        set_msr(IA32_PMC0, cases[i].before);
        emulate(false, 1);
        assert_int_equal(msr(IA32_PMC0), cases[i].after);
    }
}

/* Each kind of counter wraps at its own width. */
static void widths_differ(void **state)
{
    (void)state;
    start_intel(5, true);
    cpu.pmu.intel.caps.width = 40;
    cpu.pmu.intel.caps.fixed_width = 32;
    cpu.pmu.intel.shadow[3] = RUNNING | 0xc0;
    set_msr(IA32_FIXED_CTR_CTRL, 0x33);
    set_msr(IA32_A_PMC0 + 3, MASK(31, 0));
    set_msr(IA32_FIXED_CTR0, MASK(31, 0));
    set_msr(IA32_FIXED_CTR0 + 1, MASK(30, 0));
    begin(false, ALL);
    assert_int_equal(finish(0), BIT(32));
    assert_int_equal(msr(IA32_A_PMC0 + 3), BIT(32));
    assert_int_equal(msr(IA32_FIXED_CTR0), 0);
    assert_int_equal(msr(IA32_FIXED_CTR0 + 1), BIT(31));
    set_msr(IA32_A_PMC0 + 3, MASK(39, 0));
    begin(false, 0xff);
    assert_int_equal(finish(0), BIT(3));
}

/* Version 1 has none, and no register for them. */
static void fixed_counters_are_not_asked_where_none_counts(void **state)
{
    int at;

    (void)state;
    start_intel(2, false);
    at = fake_msr_index(IA32_FIXED_CTR_CTRL);
    fake.msr[at].number = 0xffff;
    cpu.pmu.intel.shadow[1] = RUNNING | 0xc0;
    assert_int_equal(emulate(false, 0x3), BIT(1));
    assert_int_equal(emulate(false, 0x4ULL << 32 | 3), BIT(1));
}

/* --- wrapping --------------------------------------------------------------------------------- */

static u64 wrap(u64 global_ctrl, u64 debugctl)
{
    begin(false, global_ctrl);
    return finish(debugctl);
}

static void wrap_amd(u64 selector, u64 debugctl)
{
    cpu.pmu.amd.shadow[3] = selector;
    set_msr(MSR_PERF_CTR + 6, TOP);
    cpu.pmu.core.attention = PMU_AMD_ALL;
    wrap(0, debugctl);
    assert_int_equal(msr(MSR_PERF_CTR + 6), 0);
}

static void amd_wraps(void **state)
{
    (void)state;
    start_amd(true);
    wrap_amd(RUNNING | 0xc0, DEBUGCTL_FREEZE_PERFMON_ON_PMI);
    assert_int_equal(msr(MSR_PERF_GLOBAL_STATUS_SET), BIT(3));
    assert_int_equal(sends, 0); /* no INT */
    wrap_amd(RUNNING | EVTSEL_INT | 0xc0, 0);
    assert_int_equal(msr(MSR_PERF_GLOBAL_STATUS_SET), BIT(3));
    assert_int_equal(sends, 1);
    assert_int_equal(sent[0], 0x4400);
    assert_int_equal(*lvtpc(), 0x400); /* AMD leaves the mask bit alone */
    wrap_amd(RUNNING | EVTSEL_INT | 0xc0, DEBUGCTL_FREEZE_PERFMON_ON_PMI);
    assert_int_equal(msr(MSR_PERF_GLOBAL_STATUS_SET), BIT(3) | GLOBAL_FROZEN);
    wrap_amd(RUNNING | EVTSEL_INT | 0xc0, DEBUGCTL_FREEZE_LBRS_ON_PMI);
    assert_int_equal(msr(MSR_PERF_GLOBAL_STATUS_SET), BIT(3)); /* no stack, nothing to freeze */
    pmu.amd.lbr_stack = true;
    wrap_amd(RUNNING | EVTSEL_INT | 0xc0, DEBUGCTL_FREEZE_LBRS_ON_PMI);
    assert_int_equal(msr(MSR_PERF_GLOBAL_STATUS_SET), BIT(3) | GLOBAL_LBRS_FROZEN);
    wrap_amd(RUNNING | 0xc0, DEBUGCTL_FREEZE_LBRS_ON_PMI);
    assert_int_equal(msr(MSR_PERF_GLOBAL_STATUS_SET), BIT(3)); /* no PMI */
    start_amd(false);
    wrap_amd(RUNNING | EVTSEL_INT | 0xc0, 0);
    assert_int_equal(sends, 1);
}

/* AMD's counters have 48 bits (APM 13.2.1). */
static void amd_wraps_at_48_bits(void **state)
{
    (void)state;
    start_amd(true);
    cpu.pmu.amd.shadow[0] = RUNNING | 0xc0;
    set_msr(MSR_PERF_CTR, MASK(46, 0));
    wrap(0, 0);
    assert_int_equal(msr(MSR_PERF_CTR), BIT(47));
    assert_int_equal(msr(MSR_PERF_GLOBAL_STATUS_SET), 0);
}

/* Of two that wrap both are noted; one PMI, since one asks for it. */
static void amd_wraps_several(void **state)
{
    (void)state;
    start_amd(true);
    cpu.pmu.amd.shadow[0] = RUNNING | 0xc0;
    cpu.pmu.amd.shadow[5] = RUNNING | EVTSEL_INT | 0x76;
    set_msr(MSR_PERF_CTR, TOP);
    set_msr(MSR_PERF_CTR + 10, TOP);
    wrap(0, 0);
    assert_int_equal(msr(MSR_PERF_GLOBAL_STATUS_SET), BIT(0) | BIT(5));
    assert_int_equal(sends, 1);
}

/* The first counter, for that is where a stray bit would be. */
static void nobody_is_told_who_did_not_ask(void **state)
{
    (void)state;
    start_amd(true);
    cpu.pmu.amd.shadow[0] = RUNNING | 0xc0;
    set_msr(MSR_PERF_CTR, TOP);
    wrap(0, 0);
    assert_int_equal(msr(MSR_PERF_GLOBAL_STATUS_SET), BIT(0));
    assert_int_equal(sends, 0);
    start_intel(4, true);
    cpu.pmu.intel.shadow[0] = RUNNING | 0xc0;
    set_msr(IA32_FIXED_CTR_CTRL, 0x3);
    set_msr(IA32_A_PMC0, TOP);
    set_msr(IA32_FIXED_CTR0, TOP);
    assert_int_equal(wrap(ALL, DEBUGCTL_FREEZE_PERFMON_ON_PMI), BIT(32) | BIT(0));
    assert_int_equal(msr(IA32_PERF_GLOBAL_STATUS_SET), BIT(32) | BIT(0));
    assert_int_equal(sends, 0);
}

/* A selector asks for a PMI as it is now, not as it was at an instruction before. */
static void a_pmi_is_asked_for_each_time(void **state)
{
    (void)state;
    start_amd(true);
    wrap_amd(RUNNING | EVTSEL_INT | 0xc0, 0);
    assert_int_equal(sends, 1);
    wrap_amd(RUNNING | 0xc0, 0);
    assert_int_equal(sends, 1);
    start_intel(4, true);
    cpu.pmu.intel.shadow[2] = RUNNING | EVTSEL_INT | 0xc0;
    set_msr(IA32_A_PMC0 + 2, TOP);
    assert_int_equal(wrap(ALL, 0), BIT(2));
    assert_int_equal(sends, 1);
    *lvtpc() = 0x400;
    cpu.pmu.intel.shadow[2] = RUNNING | 0xc0;
    set_msr(IA32_A_PMC0 + 2, TOP);
    assert_int_equal(wrap(ALL, DEBUGCTL_FREEZE_PERFMON_ON_PMI), BIT(2));
    assert_int_equal(sends, 1);
    assert_int_equal(msr(IA32_PERF_GLOBAL_STATUS_SET), BIT(2));
}

static void intel_wraps(void **state)
{
    (void)state;
    start_intel(4, true);
    set_msr(IA32_FIXED_CTR_CTRL, 0xb);
    set_msr(IA32_FIXED_CTR0, TOP);
    assert_int_equal(wrap(ALL, 0), BIT(32));
    assert_int_equal(msr(IA32_FIXED_CTR0), 0);
    assert_int_equal(msr(IA32_PERF_GLOBAL_STATUS_SET), BIT(32));
    assert_int_equal(sends, 1);
    assert_int_equal(*lvtpc(), 0x10400);
    set_msr(IA32_FIXED_CTR0, TOP);
    wrap(ALL, DEBUGCTL_FREEZE_PERFMON_ON_PMI); /* masked by the first: dropped, but it freezes */
    assert_int_equal(sends, 1);
    assert_int_equal(msr(IA32_PERF_GLOBAL_STATUS_SET), BIT(32) | GLOBAL_FROZEN);
    set_msr(IA32_FIXED_CTR0, TOP);
    wrap(ALL, DEBUGCTL_FREEZE_LBRS_ON_PMI | DEBUGCTL_LBR);
    assert_int_equal(msr(IA32_PERF_GLOBAL_STATUS_SET), BIT(32) | GLOBAL_LBRS_FROZEN);
    set_msr(IA32_FIXED_CTR_CTRL, 0x3); /* no PMI */
    set_msr(IA32_FIXED_CTR0, TOP);
    wrap(ALL, DEBUGCTL_FREEZE_LBRS_ON_PMI);
    assert_int_equal(msr(IA32_PERF_GLOBAL_STATUS_SET), BIT(32));
}

static void one_pmi_for_several(void **state)
{
    (void)state;
    start_intel(4, true);
    set_msr(IA32_FIXED_CTR_CTRL, 0xbb);
    set_msr(IA32_FIXED_CTR0, TOP);
    set_msr(IA32_FIXED_CTR0 + 1, TOP);
    cpu.pmu.intel.shadow[0] = RUNNING | 0xc0;
    set_msr(IA32_A_PMC0, TOP);
    assert_int_equal(wrap(ALL, 0), BIT(32) | BIT(33) | BIT(0));
    assert_int_equal(msr(IA32_PERF_GLOBAL_STATUS_SET), BIT(32) | BIT(33) | BIT(0));
    assert_int_equal(sends, 1);
}

static void version_3_leaves_the_wrap_to_the_hardware(void **state)
{
    (void)state;
    start_intel(3, true);
    cpu.pmu.intel.shadow[0] = RUNNING | EVTSEL_INT | 0xc0;
    set_msr(IA32_A_PMC0, TOP);
    assert_int_equal(wrap(ALL, 0), 0);
    assert_int_equal(msr(IA32_A_PMC0), TOP);
    assert_int_equal(sends, 0);
}

static void pmi_is_delivered_as_lvtpc_says(void **state)
{
    static const struct {
        u32 lvt, sent; /* sent 0: dropped */
    } cases[] = {
        {0x400, 0x4400}, {0x0e0, 0x40e0}, {0x10400, 0},     {0x100e0, 0}, {0x200, 0x4200},
        {0x500, 0},      {0x700, 0},      {0x14e2, 0x44e2}, /* delivery status is no part of it */
    };
    (void)state;

    start(CPU_INTEL);
    for (u32 x2apic = 0; x2apic < 2; x2apic++)
        for (u32 i = 0; i < COUNT(cases); i++) {
            u32 masked = cases[i].lvt | 0x10000;

            sends = 0;
            set_msr(IA32_APIC_BASE, APIC_BASE_EN | (x2apic ? APIC_BASE_EXTD : 0));
            *lvtpc() = x2apic ? 0x4ff : cases[i].lvt;
            set_msr(0x834, x2apic ? cases[i].lvt : 0x4ff);
            pmi_raise(&cpu, true);
            assert_int_equal(sends, cases[i].sent != 0);
            assert_true(!sends || sent[0] == cases[i].sent);
            assert_int_equal(x2apic ? msr(0x834) : *lvtpc(), masked);
        }
    set_msr(IA32_APIC_BASE, 0);
    sends = 0;
    *lvtpc() = 0x400;
    pmi_raise(&cpu, true);
    assert_int_equal(sends, 0);
}

/* --- VMRUN ------------------------------------------------------------------------------------ */

static void vmrun_is_taken_off(void **state)
{
    (void)state;
    start_amd(true);
    cpu.pmu.amd.shadow[0] = RUNNING | 0xc0; /* no branches */
    set_msr(MSR_PERF_CTR, 50);
    cpu.pmu.amd.shadow[1] = RUNNING | 0xc2;
    pmu.vmrun_branch = true;
    credit_vmrun(&cpu);
    assert_int_equal(msr(MSR_PERF_CTR + 2), 99);
    cpu.pmu.amd.shadow[1] = EVTSEL_EN | EVTSEL_USR | 0xc2;
    credit_vmrun(&cpu);
    cpu.pmu.amd.shadow[1] = RUNNING | 0xc0;
    credit_vmrun(&cpu);
    cpu.pmu.amd.shadow[1] = RUNNING | 0xc2;
    set_msr(MSR_PERF_GLOBAL_CTL, 0x3d);
    credit_vmrun(&cpu);
    set_msr(MSR_PERF_GLOBAL_CTL, 0x3f);
    set_msr(MSR_PERF_GLOBAL_STATUS, GLOBAL_FROZEN);
    credit_vmrun(&cpu);
    assert_int_equal(msr(MSR_PERF_CTR + 2), 99);
    assert_int_equal(msr(MSR_PERF_CTR), 50);
    emulate(false, 0);
    assert_true(cpu.pmu.core.attention);
}

/* As the hardware has it in PMU_FULL; not where the policy denies branches, nor in PMU_OFF. */
static void vmrun_counts_where_branches_do(void **state)
{
    static struct filter nothing;

    (void)state;
    start_amd(true);
    pmu.vmrun_branch = true;
    cpu.pmu.core.mode = PMU_FULL;
    set_msr(MSR_PERF_CTL + 10, RUNNING | 0xc2);
    cpu.pmu.amd.shadow[1] = RUNNING | 0xc2; /* of no meaning now */
    credit_vmrun(&cpu);
    assert_int_equal(msr(MSR_PERF_CTR + 10), 499);
    assert_int_equal(msr(MSR_PERF_CTR + 2), 100);
    cpu.pmu.core.mode = PMU_OFF;
    cpu.pmu.amd.shadow[5] = RUNNING | 0xc2;
    credit_vmrun(&cpu);
    assert_int_equal(msr(MSR_PERF_CTR + 10), 499);
    cpu.pmu.core.mode = PMU_FILTERED;
    credit_vmrun(&cpu);
    assert_int_equal(msr(MSR_PERF_CTR + 10), 498);
    cpu.pmu.amd.shadow[5] = RUNNING | 0xc2 | 1ULL << 32; /* 1C2H is another event */
    credit_vmrun(&cpu);
    cpu.pmu.core.filter = &nothing;
    cpu.pmu.amd.shadow[5] = RUNNING | 0xc2;
    credit_vmrun(&cpu);
    assert_int_equal(msr(MSR_PERF_CTR + 10), 498);
}

/* No more than a byte of it. */
static void what_is_owed_has_a_bound(void **state)
{
    (void)state;
    start_amd(true);
    pmu.vmrun_branch = true;
    cpu.pmu.amd.shadow[0] = RUNNING | 0xc2;
    for (u32 i = 0; i < 300; i++)
        credit_vmrun(&cpu);
    assert_int_equal(cpu.pmu.core.owed[0], 0xff);
    set_msr(MSR_PERF_CTR, 1000);
    credit_vmrun(&cpu);
    assert_int_equal(msr(MSR_PERF_CTR), 1000 - 256);
    assert_int_equal(cpu.pmu.core.owed[0], 0);
}

/* 0 - 1 + 1 would overflow. */
static void what_vmrun_counts_at_zero_is_taken_off_later(void **state)
{
    (void)state;
    start_amd(true);
    pmu.vmrun_branch = true;
    cpu.pmu.amd.shadow[0] = RUNNING | 0xc2;
    credit_vmrun(&cpu);
    assert_int_equal(msr(MSR_PERF_CTR), 0);
    set_msr(MSR_PERF_CTR, 1); /* VMRUN */
    credit_vmrun(&cpu);
    assert_int_equal(msr(MSR_PERF_CTR), 0);
    set_msr(MSR_PERF_CTR, 1 + 10); /* VMRUN, and the guest's own */
    credit_vmrun(&cpu);
    assert_int_equal(msr(MSR_PERF_CTR), 9); /* and with the next VMRUN: 10 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(amd_events_and_rings),
        cmocka_unit_test(intel_events_and_rings),
        cmocka_unit_test(thresholds),
        cmocka_unit_test(unfiltered_selectors_are_the_hardwares),
        cmocka_unit_test(nothing_counts_when_off),
        cmocka_unit_test(every_counter_is_looked_at_while_unfiltered),
        cmocka_unit_test(attention_ends_when_nobody_needs_it),
        cmocka_unit_test(attention_is_asked_for),
        cmocka_unit_test(policies_with_cmask_need_it_always),
        cmocka_unit_test(global_control_and_freezing),
        cmocka_unit_test(fixed_counters),
        cmocka_unit_test(instructions_that_the_exit_has_counted),
        cmocka_unit_test(counters_rise_by_one_once),
        cmocka_unit_test(the_settings_before_it_decide),
        cmocka_unit_test(four_counters_have_older_names),
        cmocka_unit_test(narrow_writes),
        cmocka_unit_test(widths_differ),
        cmocka_unit_test(fixed_counters_are_not_asked_where_none_counts),
        cmocka_unit_test(amd_wraps),
        cmocka_unit_test(amd_wraps_at_48_bits),
        cmocka_unit_test(amd_wraps_several),
        cmocka_unit_test(nobody_is_told_who_did_not_ask),
        cmocka_unit_test(a_pmi_is_asked_for_each_time),
        cmocka_unit_test(intel_wraps),
        cmocka_unit_test(one_pmi_for_several),
        cmocka_unit_test(version_3_leaves_the_wrap_to_the_hardware),
        cmocka_unit_test(pmi_is_delivered_as_lvtpc_says),
        cmocka_unit_test(vmrun_is_taken_off),
        cmocka_unit_test(vmrun_counts_where_branches_do),
        cmocka_unit_test(what_is_owed_has_a_bound),
        cmocka_unit_test(what_vmrun_counts_at_zero_is_taken_off_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
