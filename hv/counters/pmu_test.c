/* A change of policy as each core meets it, and cores that differ: what one has is what it judges
 * by. The machine is fake_machine.h's; two cores take turns on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "fake/fake_machine.h"
#define cpuid fake_core_cpuid
static void fake_core_cpuid(u32 leaf, u32 subleaf, u32 out[4]);

#include "pmu/amd.c"
#define read_selectors read_intel_selectors
#undef EVENT
#include "pmu/intel.c"
#include "pmu/lbr_intel.c"
#include "pmu/filter.c"
#include "pmu/policy.c"
#include "pmu/denial.c"
#include "counters/pmu_amd.c"
#define limit     intel_limit
#define start     intel_start
#define zero      intel_zero
#define follow    intel_follow
#define selectors intel_selectors
#define describe  intel_describe
#include "counters/pmu_intel.c"
#undef describe
#undef limit
#undef start
#undef zero
#undef follow
#undef selectors
#include "counters/pmu.c"

static u32 shown; /* hidden memory, as ones */

void memory_show_hidden(const struct guest *of)
{
    (void)of;
    shown++;
}

/* All machines of this test can give a sole tenant these. */
u32 grants_possible(const struct cpu_ops *ops, u32 guests)
{
    assert_non_null(ops->rdmsr);
    return guests == 1 ? 1 << GRANT_UNCORE | 1 << GRANT_ENERGY | 1 << GRANT_PEBS : 0;
}

enum policy_grant grants_refused(const struct cpu_ops *ops, const struct pmu_policy *policy,
                                 u32 guests, enum grant_answer *why)
{
    (void)ops, (void)policy, (void)why;
    return guests == 1 ? GRANTS : GRANT_UNCORE;
}

#define RUNNING (EVTSEL_EN | EVTSEL_USR | EVTSEL_OS)
#define ALL     (~0ULL)
#define DENIED  (RUNNING | 0x29)

struct hv hv;
const struct vendor *vendor;

static struct boot_info info;
static struct guest guest;
static struct cpu cores[2];
static u32 leaf_0a[4], leaf_7_edx, permissions;
static u64 list[ALIGN_UP(sizeof(struct filter), PAGE_SIZE) / 8];

static void fake_core_cpuid(u32 leaf, u32 subleaf, u32 out[4])
{
    memset(out, 0, 16);
    if (leaf == 7 && subleaf == 0)
        out[3] = leaf_7_edx;
    if (leaf == 0xa)
        memcpy(out, leaf_0a, 16);
    if (leaf == 0x80000000)
        out[0] = 0x80000008;
    if (leaf == 0x80000001)
        out[2] = BIT(23);
}

static bool no_memory;

void *pages_alloc(struct page_pool *pool, u64 pages)
{
    assert_ptr_equal(pool, &hv.pool);
    assert_int_equal(pages * PAGE_SIZE, sizeof(list));
    return no_memory ? NULL : list;
}

static void code_state(struct cpu *cpu, struct code_state *at)
{
    (void)cpu;
    memset(at, 0, sizeof(*at));
    at->rip = 0x1234;
    at->paging.cr3 = 0x5000;
}

static void permissions_changed(struct cpu *cpu)
{
    (void)cpu;
    permissions++;
}

static const struct vendor fake_vendor = {.code_state = code_state,
                                          .permissions_changed = permissions_changed};

/* An E-core of eight counters and fixed ones 0-2 and 4-6, or a P-core of six and 0-3. */
static void be_core(bool small)
{
    memset(&fake, 0, sizeof(fake));
    leaf_0a[0] = small ? 0x08300805 : 0x08300605;
    leaf_0a[2] = small ? 0x77 : 0xf;
    leaf_0a[3] = small ? 0x8603 : 0x8604;
    for (u32 i = 0; i < (small ? 8 : 6); i++) {
        fake_msr(IA32_PERFEVTSEL0 + i, 0, ALL);
        fake_msr(IA32_PMC0 + i, 77, ALL);
    }
    for (u32 i = 0; i < 7; i++)
        if ((small ? 0x77 : 0xf) >> i & 1)
            fake_msr(IA32_FIXED_CTR0 + i, 77, ALL);
    fake_msr(IA32_FIXED_CTR_CTRL, 0, small ? 0xbbb0bbb : 0xbbbb);
}

static void be_amd(void)
{
    memset(&fake, 0, sizeof(fake));
    for (u32 i = 0; i < 6; i++) {
        fake_msr(MSR_PERF_CTL + 2 * i, 0, ALL);
        fake_msr(MSR_PERF_CTR + 2 * i, 77, ALL);
    }
}

static struct cpu *core(u32 index)
{
    return &cores[index];
}

/* The boot processor is what the machine is when this is called. */
static void prepare(bool intel, const struct pmu_policy *policy)
{
    static struct boot_guest boot;
    struct msr_context context = {.vendor = intel ? CPU_INTEL : CPU_AMD, .family = 0x19};

    boot = (struct boot_guest){
        .policy = {.pmu = PMU_FILTERED, .rules = (u64)policy, .vmrun_branch = !intel}};
    memset(&pmu, 0, sizeof(pmu));
    memset(cores, 0, sizeof(cores));
    guest = (struct guest){.boot = &boot, .msr = context};
    cores[0].guest = cores[1].guest = &guest;
    hv.intel = intel;
    hv.guests = &guest;
    hv.info = &info;
    info.guest_count = 1;
    vendor = &fake_vendor;
    permissions = 0;
    pmu_prepare(&context);
    assert_true(pmu_prepare_guest(&guest));
}

static void change(struct cpu *cpu, enum pmu_mode mode, u32 preset)
{
    struct pmu_policy policy = {.presets = {(u8)(1U << preset)}};

    pmu_build(&policy);
    pmu_adopt(&guest, mode, &policy);
    pmu_update(cpu);
}

/* Who credits looks at each counter again, not at the first alone. */
static void every_counter_needs_attention_after_a_change(void **state)
{
    (void)state;
    for (u32 intel = 0; intel < 2; intel++)
        for (enum pmu_mode mode = PMU_FILTERED; mode <= PMU_OFF; mode++) {
            if (intel)
                be_core(true);
            else
                be_amd();
            prepare(intel, NULL);
            pmu_start(core(0));
            core(0)->pmu.core.attention = 0;
            change(core(0), mode, PRESET_ALL);
            assert_int_equal(core(0)->pmu.core.attention, intel ? 0xff : 0x3f);
            assert_int_equal(core(0)->pmu.core.mode, mode);
            assert_int_equal(permissions, 1);
            core(0)->pmu.core.attention = 0;
            pmu_update(core(0)); /* nothing new */
            assert_int_equal(core(0)->pmu.core.attention, 0);
            assert_int_equal(permissions, 1);
        }
}

static void a_core_that_has_not_started_follows_nothing(void **state)
{
    (void)state;
    be_amd();
    prepare(false, NULL);
    change(core(0), PMU_FULL, PRESET_ALL);
    assert_int_equal(core(0)->pmu.core.generation, 0);
    assert_int_equal(permissions, 0);
}

/* What counted until the change and does not after it is on record once, with where it was. */
static void what_a_change_stops_is_noted(void **state)
{
    const struct denial *row;

    (void)state;
    be_amd();
    prepare(false, NULL);
    pmu_start(core(0));
    change(core(0), PMU_FILTERED, PRESET_ALL);
    core(0)->pmu.amd.shadow[3] = DENIED;
    core(0)->pmu.amd.shadow[4] = RUNNING | 0xc0;
    core(0)->pmu.amd.shadow[5] = 0x29; /* not enabled */
    change(core(0), PMU_FILTERED, PRESET_ARCHITECTURAL);
    assert_int_equal(denials_total(&core(0)->pmu.core.denials), 1);
    row = denial_home(&core(0)->pmu.core.denials, (u32)DENIED);
    assert_int_equal(row->value, DENIED);
    assert_int_equal(row->rip, 0x1234);
    assert_int_equal(row->cr3, 0x5000);
    assert_int_equal(rdmsr(MSR_PERF_CTL + 6), 0);
    assert_int_equal(rdmsr(MSR_PERF_CTL + 8), RUNNING | 0xc0 | PERF_CTL_GUEST_ONLY);
    change(core(0), PMU_OFF, PRESET_ALL);
    change(core(0), PMU_FILTERED, PRESET_ARCHITECTURAL); /* counted nothing while off */
    assert_int_equal(denials_total(&core(0)->pmu.core.denials), 1);
}

/* Of a P-core's six counters the last is, and the seventh is none. */
static void what_no_counter_has_is_not_noted(void **state)
{
    (void)state;
    be_core(false);
    prepare(true, NULL);
    pmu_start(core(0));
    change(core(0), PMU_FILTERED, PRESET_ALL);
    core(0)->pmu.intel.shadow[5] = DENIED;
    core(0)->pmu.intel.shadow[6] = DENIED | EVTSEL_INT;
    change(core(0), PMU_FILTERED, PRESET_ARCHITECTURAL);
    assert_int_equal(denials_total(&core(0)->pmu.core.denials), 1);
    assert_int_equal(denial_home(&core(0)->pmu.core.denials, (u32)DENIED)->value, DENIED);
}

/* The MSR table and CPUID go by these. */
static void grants_follow_the_policy(void **state)
{
    static const struct pmu_policy nothing_else = {.presets = {0}};

    (void)state;
    for (u32 intel = 0; intel < 2; intel++) {
        u32 full = BIT(FEATURE_CYCLES) | (intel ? 0 : BIT(FEATURE_IRPERF));

        if (intel)
            be_core(false);
        else
            be_amd();
        prepare(intel, NULL);
        assert_int_equal(guest.msr.granted, BIT(FEATURE_CYCLES));
        pmu_adopt(&guest, PMU_FULL, NULL);
        assert_int_equal(guest.msr.granted, full);
        pmu_adopt(&guest, PMU_OFF, NULL);
        assert_int_equal(guest.msr.granted, 0);
        prepare(intel, &nothing_else);
        assert_int_equal(guest.msr.granted, 0);
    }
}

/* Before a record can be written there. */
static void hidden_memory_is_shown_with_precise_samples(void **state)
{
    static const struct pmu_policy precise = {.grants = {1 << GRANT_PEBS}};
    static const struct pmu_policy other = {.grants = {1 << GRANT_UNCORE}};

    (void)state;
    be_core(false);
    shown = 0;
    prepare(true, &other);
    pmu_adopt(&guest, PMU_OFF, &precise);
    assert_int_equal(shown, 0);
    pmu_adopt(&guest, PMU_FULL, &precise);
    assert_int_equal(shown, 1);
    assert_int_equal(guest.msr.granted & BIT(FEATURE_PEBS), BIT(FEATURE_PEBS));
    prepare(true, &precise);
    assert_int_equal(shown, 2);
}

static void what_there_is_no_memory_for_is_told(void **state)
{
    (void)state;
    be_amd();
    prepare(false, NULL);
    no_memory = true;
    assert_false(pmu_prepare_guest(&guest));
    no_memory = false;
    assert_true(pmu_prepare_guest(&guest));
}

static struct filter expected;

/* The list that PMU_FILTERED asks is the policy's, to the last word; the other modes' has nothing.
 */
static void check_list(const struct pmu_policy *policy, const struct policy_cpu *on)
{
    policy_build(&expected, policy, on);
    assert_memory_equal(guest.pmu.list, &expected, sizeof(expected));
}

/* Events in memory that is the caller's again afterwards. */
static void a_policy_outlives_its_events(void **state)
{
    struct filter_entry events[] = {{.first = 0x29, .last = 0x2a, .mask = 0xff},
                                    {.first = 0xff, .last = 0xff, .mask = 0xff}};
    struct pmu_policy policy = {
        .events = events, .event_count = 2, .fixed = {5}, .presets = {1 << PRESET_CORE}};
    struct policy_cpu on = {.format = &filter_format_intel,
                            .core = policy_core_intel,
                            .core_count = COUNT(policy_core_intel)};

    (void)state;
    be_core(false);
    prepare(true, &policy);
    check_list(&policy, &on);
    assert_null(guest.pmu.policy.events);
    assert_int_equal(guest.pmu.policy.event_count, 0);
    assert_int_equal(guest.pmu.policy.fixed[POLICY_ALLOW], 5);
    policy.presets[POLICY_ALLOW] = 0;
    policy.fixed[POLICY_ALLOW] = 6;
    events[1].mask = 0; /* all umasks: the last words of the first plane */
    pmu_build(&policy);
    pmu_adopt(&guest, PMU_FILTERED, &policy);
    check_list(&policy, &on);
    assert_null(guest.pmu.policy.events);
    assert_int_equal(guest.pmu.policy.event_count, 0);
    assert_int_equal(guest.pmu.policy.fixed[POLICY_ALLOW], 6);
}

/* Nothing of a policy that was built and not adopted is in force. */
static void the_usual_policy_is_architectural(void **state)
{
    static const struct {
        bool intel;
        u16 family;
        u32 cycles;
    } cases[] = {{false, 0x10, 0x7d}, {false, 0x19, 0x60}, {true, 6, 0x2e}};
    static const u32 umasks[] = {0x07, 0xff, 0x4f};
    static const struct pmu_policy all = {.presets = {1 << PRESET_ALL}};

    (void)state;
    for (u32 i = 0; i < COUNT(cases); i++) {
        struct msr_context context = {.family = cases[i].family};
        u64 event = RUNNING | cases[i].cycles | umasks[i] << 8;

        if (cases[i].intel)
            be_core(false);
        else
            be_amd();
        prepare(cases[i].intel, NULL);
        pmu_prepare(&context);
        assert_true(pmu_prepare_guest(&guest));
        pmu_build(&all);
        assert_true(filter_allows(guest.pmu.filter, event));
        assert_true(filter_allows(guest.pmu.filter, RUNNING | 0xc0));
        assert_false(filter_allows(guest.pmu.filter, DENIED));
        assert_int_equal(guest.pmu.policy.presets[POLICY_ALLOW], 1 << PRESET_ARCHITECTURAL);
        assert_int_equal(pmu.vmrun_branch, !cases[i].intel);
    }
}

static void each_vendors_core_events(void **state)
{
    static const struct pmu_policy core_events = {.presets = {1 << PRESET_CORE}};

    (void)state;
    be_amd();
    prepare(false, &core_events);
    assert_true(filter_allows(guest.pmu.filter, RUNNING | 0x1b7));
    assert_true(filter_allows(guest.pmu.filter, RUNNING | 0xdf | 15ULL << 32));
    be_core(false);
    prepare(true, &core_events);
    assert_false(filter_allows(guest.pmu.filter, RUNNING | 0x1b7));
    assert_true(filter_allows(guest.pmu.filter, RUNNING | 0xff));
    assert_false(filter_allows(guest.pmu.filter, RUNNING | EVTSEL_EDGE | 0xff));
}

/* A list for PMU_FILTERED only, and a number for every change. */
static void modes_are_for_those_who_ask_from_now_on(void **state)
{
    static const enum pmu_mode modes[] = {PMU_FULL, PMU_FILTERED, PMU_OFF};

    (void)state;
    be_amd();
    prepare(false, NULL);
    assert_int_equal(guest.pmu.generation, 1);
    for (u32 i = 0; i < COUNT(modes); i++) {
        pmu_adopt(&guest, modes[i], NULL);
        assert_int_equal(guest.pmu.mode, modes[i]);
        assert_int_equal(guest.msr.pmu, modes[i]);
        assert_int_equal(guest.pmu.generation, 2 + i);
        assert_int_equal(filter_allows(guest.pmu.filter, RUNNING | 0xc0), modes[i] == PMU_FILTERED);
        assert_int_equal(guest.pmu.policy.presets[POLICY_ALLOW], 1 << PRESET_ARCHITECTURAL);
    }
}

/* Of what a policy opens the guest has what the machine can give, in every mode but off; what was
 * there once is on record. */
static void what_a_policy_opens_is_given_where_it_can(void **state)
{
    static const struct pmu_policy open = {.presets = {1 << PRESET_CORE},
                                           .grants = {1 << GRANT_LBR | 1 << GRANT_UNCORE}};
    static const struct pmu_policy shut = {.presets = {1 << PRESET_CORE},
                                           .grants = {1 << GRANT_UNCORE, 1 << GRANT_UNCORE}};
    const u32 given = BIT(FEATURE_UNCORE) | BIT(FEATURE_QOS_MONITOR) | BIT(FEATURE_CYCLES);
    enum grant_answer why;

    (void)state;
    be_core(false);
    prepare(true, &open);
    assert_int_equal(guest.msr.granted, given);
    assert_int_equal(guest.msr.withdrawn, 0);
    pmu_adopt(&guest, PMU_FULL, NULL);
    assert_int_equal(guest.msr.granted, given);
    pmu_adopt(&guest, PMU_OFF, NULL);
    assert_int_equal(guest.msr.granted, 0);
    assert_int_equal(guest.msr.withdrawn, given);
    pmu_adopt(&guest, PMU_FILTERED, &shut);
    assert_int_equal(guest.msr.granted, BIT(FEATURE_CYCLES));
    assert_int_equal(guest.msr.withdrawn, given & ~BIT(FEATURE_CYCLES));
    pmu_adopt(&guest, PMU_FILTERED, &open);
    assert_int_equal(guest.msr.withdrawn, 0);
    assert_int_equal(pmu_refused(&open, &why), GRANTS);
    info.guest_count = 2;
    assert_int_equal(pmu_refused(&open, &why), GRANT_UNCORE);
    pmu_prepare(&guest.msr);
    pmu_adopt(&guest, PMU_FULL, &open);
    assert_int_equal(guest.msr.granted, BIT(FEATURE_CYCLES));
}

/* Samples go on through a change that leaves them granted, and end with one that does not, as with
 * a life. */
static void sampling_ends_with_its_grant(void **state)
{
    static const struct pmu_policy open = {.grants = {1 << GRANT_IBS}}, shut = {.grants = {0}};

    (void)state;
    be_amd();
    fake_msr(MSR_IBS_OP_CTL, BIT(17) | 16, ALL);
    fake_msr(MSR_IBS_OP_CTL + 1, 0x1234, ALL);
    fake_msr(MSR_IBS_CTL, BIT(8), ALL);
    prepare(false, &open);
    pmu.grants |= 1 << GRANT_IBS;
    pmu.amd.ibs = true;
    pmu_start(core(0));
    assert_int_equal(rdmsr(MSR_IBS_OP_CTL), 0); /* what firmware left */
    for (u32 i = 0; i < 1000; i++) {
        wrmsr(MSR_IBS_OP_CTL, BIT(17) | 16);
        wrmsr(MSR_IBS_OP_CTL + 1, 0x1234);
        pmu_adopt(&guest, PMU_FULL, &open);
        pmu_update(core(0));
        assert_true(guest.msr.granted & BIT(FEATURE_IBS));
        assert_int_equal(rdmsr(MSR_IBS_OP_CTL), BIT(17) | 16);
        pmu_adopt(&guest, i % 2 ? PMU_OFF : PMU_FULL, i % 2 ? &open : &shut);
        pmu_update(core(0));
        assert_true(guest.msr.withdrawn & BIT(FEATURE_IBS));
        assert_int_equal(rdmsr(MSR_IBS_OP_CTL) | rdmsr(MSR_IBS_OP_CTL + 1), 0);
        assert_int_equal(rdmsr(MSR_IBS_CTL), BIT(8));
    }
    wrmsr(MSR_IBS_OP_CTL, BIT(17) | 16);
    pmu_restart(core(0));
    assert_int_equal(rdmsr(MSR_IBS_OP_CTL), 0);
}

/* Its registers may be another thing's where the processor lacks it (Zen 3's BRS). */
static void a_stack_is_granted_where_there_is_one(void **state)
{
    static const struct pmu_policy open = {.grants = {1 << GRANT_LBR}};

    (void)state;
    be_amd();
    prepare(false, &open);
    assert_int_equal(pmu.lacking, BIT(FEATURE_LBR_STACK)); /* this machine's CPUID has none */
    pmu.grants |= 1 << GRANT_LBR;
    pmu_adopt(&guest, PMU_FILTERED, &open);
    assert_true(guest.msr.granted & BIT(FEATURE_LBR));
    assert_false(guest.msr.granted & BIT(FEATURE_LBR_STACK));
    pmu.lacking = 0;
    pmu_adopt(&guest, PMU_FILTERED, &open);
    assert_true(guest.msr.granted & BIT(FEATURE_LBR_STACK));
}

static void a_core_asks_what_its_guest_has(void **state)
{
    (void)state;
    for (u32 i = 0; i < 2; i++) {
        be_amd();
        prepare(false, NULL);
        pmu_start(core(i));
        assert_true(core(i)->pmu_started);
        assert_ptr_equal(core(i)->pmu.core.filter, list);
        assert_int_equal(core(i)->pmu.core.generation, 1);
        fake.msr[0].value = DENIED; /* a second start judges nothing again */
        pmu_start(core(i));
        assert_int_equal(rdmsr(MSR_PERF_CTL), DENIED);
        change(core(i), PMU_OFF, PRESET_ALL);
        assert_int_equal(rdmsr(MSR_PERF_CTL), 0);
        assert_int_equal(core(i)->pmu.core.generation, 2);
        assert_false(filter_allows(core(i)->pmu.core.filter, RUNNING | 0xc0));
    }
}

static void a_denial_says_what_where_and_when(void **state)
{
    const struct denial *row;
    u64 before = rdtsc();

    (void)state;
    be_core(false);
    prepare(true, NULL);
    pmu_note_denial(core(1), 0x1a7, 0x10001);
    row = &core(1)->pmu.core.denials.row[DENIAL_EVENTS];
    assert_int_equal(row->msr, 0x1a7);
    assert_int_equal(row->value, 0x10001);
    assert_int_equal(row->rip, 0x1234);
    assert_int_equal(row->cr3, 0x5000);
    assert_int_equal(row->count, 1);
    assert_true(row->first == row->last && row->last > before && row->last <= rdtsc());
}

/* From PMU_FULL, what the guest had programmed by itself. */
static void what_filtering_stops_is_noted_on_both(void **state)
{
    (void)state;
    for (u32 intel = 0; intel < 2; intel++) {
        u32 last = intel ? IA32_PERFEVTSEL0 + 7 : MSR_PERF_CTL + 10;

        if (intel)
            be_core(true);
        else
            be_amd();
        prepare(intel, NULL);
        pmu_start(core(1));
        change(core(1), PMU_FULL, PRESET_ALL);
        wrmsr(last, DENIED);
        wrmsr(intel ? IA32_PERFEVTSEL0 : MSR_PERF_CTL, DENIED | EVTSEL_INT);
        change(core(1), PMU_FILTERED, PRESET_ARCHITECTURAL);
        assert_int_equal(denials_total(&core(1)->pmu.core.denials), 2);
        assert_int_equal(rdmsr(last), 0);
        change(core(1), PMU_FULL, PRESET_ARCHITECTURAL);
        assert_int_equal(rdmsr(last), DENIED);
        assert_int_equal(denials_total(&core(1)->pmu.core.denials), 2);
        change(core(1), PMU_OFF, PRESET_ARCHITECTURAL); /* nothing is denied but all */
        assert_int_equal(denials_total(&core(1)->pmu.core.denials), 2);
        assert_int_equal(permissions, 4);
    }
}

/* FIXED_CTR_CTRL is intercepted where the policy leaves out a counter, or the sibling thread. */
static void intels_limits_follow_the_policy(void **state)
{
    static const struct {
        struct pmu_policy policy;
        u16 fixed;
        bool any_thread, restricted;
    } cases[] = {
        {{.presets = {1 << PRESET_ALL}}, 0xffff, false, false},
        {{.presets = {1 << PRESET_ARCHITECTURAL}}, 0x7, false, true},
        {{.fixed = {0xf}, .modifiers = {EVTSEL_ANY}}, 0xf, true, false},
        {{.fixed = {0xe}, .modifiers = {EVTSEL_EDGE}}, 0xe, false, true},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(cases); i++) {
        be_core(false);
        prepare(true, &cases[i].policy);
        assert_int_equal(guest.pmu.limits.fixed, cases[i].fixed);
        assert_int_equal(guest.pmu.limits.any_thread, cases[i].any_thread);
        assert_int_equal(guest.pmu.limits.restricted, cases[i].restricted);
        assert_int_equal(guest.msr.fixed_restricted, cases[i].restricted);
        assert_ptr_equal(guest.pmu.limits.policy, &guest.pmu.policy);
    }
}

/* The boot processor is the other kind. */
static void each_core_of_a_hybrid_is_judged_by_its_own(void **state)
{
    (void)state;
    leaf_7_edx = BIT(15);
    be_core(false);
    prepare(true, NULL);
    assert_true(guest.msr.fixed_restricted);
    pmu_start(core(0));
    be_core(true);
    fake.msr[fake_msr_index(IA32_FIXED_CTR_CTRL)].value = 0x3330003;
    fake.msr[fake_msr_index(IA32_PERFEVTSEL0 + 7)].value = DENIED;
    pmu_start(core(1));
    assert_int_equal(rdmsr(IA32_FIXED_CTR_CTRL), 0x3);
    assert_int_equal(rdmsr(IA32_PERFEVTSEL0 + 7), 0);
    assert_int_equal(core(1)->pmu.intel.shadow[7], DENIED);
    assert_int_equal(core(1)->pmu.intel.caps.general, 0xff);
    assert_int_equal(core(1)->pmu.intel.caps.fixed, 0x77);
    assert_int_equal(core(1)->pmu.core.attention, 0xff);
    assert_int_equal(core(0)->pmu.intel.caps.general, 0x3f);
    assert_int_equal(core(0)->pmu.intel.caps.fixed, 0xf);
    assert_int_equal(core(0)->pmu.core.attention, 0x3f);
    leaf_7_edx = 0;
}

/* All that this core has, and none that it lacks: those fault. */
static void a_new_life_finds_zeros(void **state)
{
    (void)state;
    be_core(false);
    prepare(true, NULL);
    be_core(true);
    fake.msr[fake_msr_index(IA32_PERFEVTSEL0 + 7)].value = RUNNING | 0xc0;
    fake.msr[fake_msr_index(IA32_FIXED_CTR_CTRL)].value = 0xbbb;
    pmu_start(core(1));
    pmu_restart(core(1));
    for (u32 i = 0; i < fake.msrs; i++)
        if (fake.msr[i].value)
            fail_msg("%x: %lx", fake.msr[i].number, fake.msr[i].value);
    assert_int_equal(core(1)->pmu.intel.shadow[7], 0);
    assert_true(core(1)->pmu_started);
    be_amd();
    prepare(false, NULL);
    fake.msr[0].value = fake.msr[10].value = RUNNING | 0xc0;
    pmu_start(core(0));
    core(0)->pmu.core.attention = 0;
    pmu_restart(core(0));
    for (u32 i = 0; i < fake.msrs; i++)
        assert_int_equal(fake.msr[i].value & ~PERF_CTL_GUEST_ONLY, 0);
    assert_int_equal(core(0)->pmu.core.attention, 0x3f);
    assert_int_equal(core(0)->pmu.amd.shadow[5], 0);
}

/* What the processor has behind its counters, but does not enumerate as such. */
static void a_new_life_zeroes_counters_only(void **state)
{
    static const u32 behind[2][3] = {{MSR_PERF_CTL + 12, MSR_PERF_CTR + 12, MSR_PERF_CTR + 14},
                                     {IA32_PERFEVTSEL0 + 6, IA32_PMC0 + 6, IA32_FIXED_CTR0 + 4}};

    (void)state;
    for (u32 intel = 0; intel < 2; intel++) {
        if (intel)
            be_core(false);
        else
            be_amd();
        prepare(intel, NULL);
        pmu_start(core(0));
        for (u32 i = 0; i < COUNT(behind[intel]); i++)
            fake_msr(behind[intel][i], 88, ALL);
        pmu_restart(core(0));
        for (u32 i = 0; i < COUNT(behind[intel]); i++)
            assert_int_equal(rdmsr(behind[intel][i]), 88);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_counter_needs_attention_after_a_change),
        cmocka_unit_test(a_core_that_has_not_started_follows_nothing),
        cmocka_unit_test(what_a_change_stops_is_noted),
        cmocka_unit_test(what_no_counter_has_is_not_noted),
        cmocka_unit_test(grants_follow_the_policy),
        cmocka_unit_test(what_there_is_no_memory_for_is_told),
        cmocka_unit_test(hidden_memory_is_shown_with_precise_samples),
        cmocka_unit_test(a_policy_outlives_its_events),
        cmocka_unit_test(the_usual_policy_is_architectural),
        cmocka_unit_test(each_vendors_core_events),
        cmocka_unit_test(modes_are_for_those_who_ask_from_now_on),
        cmocka_unit_test(what_a_policy_opens_is_given_where_it_can),
        cmocka_unit_test(sampling_ends_with_its_grant),
        cmocka_unit_test(a_stack_is_granted_where_there_is_one),
        cmocka_unit_test(a_core_asks_what_its_guest_has),
        cmocka_unit_test(a_denial_says_what_where_and_when),
        cmocka_unit_test(what_filtering_stops_is_noted_on_both),
        cmocka_unit_test(intels_limits_follow_the_policy),
        cmocka_unit_test(each_core_of_a_hybrid_is_judged_by_its_own),
        cmocka_unit_test(a_new_life_finds_zeros),
        cmocka_unit_test(a_new_life_zeroes_counters_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
