/* Emulated instructions while counters run, by the fast path and, where that declines, the slow
 * way: counters rise as the selectors in the hardware say, whatever was known of them before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"

static bool write_halves(u32 msr, u32 low, u32 high);
#define wrmsr_halves_safe write_halves
#include "pmu/amd.c"
#include "counters/credit_amd.c"
#include "pmu/denial.c"
#include "pmu/filter.c"
#include "pmu/policy.c"
#include "svm/fast.c"

enum { SELECTORS = 6 };

#include "fake/fast_credit_check.h"

struct hv hv;
struct pmu pmu;

static struct vmcb *vmcb;

void pmi_raise(const struct cpu *self, bool set_mask)
{
    assert_ptr_equal(self, cpu);
    assert_false(set_mask);
    pmis++;
}

static void allow(u32 preset, u64 modifiers)
{
    struct pmu_policy policy = {.presets = {1U << preset}, .modifiers = {modifiers}};
    struct policy_cpu zen = {.format = &filter_format_amd,
                             .core = policy_core_amd,
                             .core_count = COUNT(policy_core_amd)};

    zen.architectural = pmu_amd_architectural(0x19, &zen.architectural_count);
    policy_build(&filter, &policy, &zen);
}

static void change_mode(enum pmu_mode mode)
{
    enum pmu_mode from = cpu->pmu.core.mode;

    cpu->pmu.core.mode = (u8)mode;
    cpu->pmu.core.filter = mode == PMU_FILTERED ? &filter : &nothing;
    pmu_amd_switch(&cpu->pmu.amd, &pmu.amd, from, mode, cpu->pmu.core.filter, &access);
}

static void begin(bool v2)
{
    memset(&fake, 0, sizeof(fake));
    memset(block, 0, CPU_BLOCK_SIZE);
    pmu = (struct pmu){.amd = {.counters = 6, .extended = true, .perfmon_v2 = v2}};
    for (u32 i = 0; i < SELECTORS; i++) {
        fake_msr(MSR_PERF_CTL + 2 * i, 0, ALL);
        fake_msr(MSR_PERF_CTR + 2 * i, 1000 * i, TOP);
    }
    fake_msr(IA32_DEBUGCTL, 0, ALL);
    fake_msr(IA32_X2APIC_ICR, 0, ALL);
    if (v2) {
        fake_msr(MSR_PERF_GLOBAL_STATUS, 0, ALL);
        fake_msr(MSR_PERF_GLOBAL_CTL, 0x3f, 0x3f);
        fake_msr(MSR_PERF_GLOBAL_STATUS_SET, 0, ALL);
    }
    allow(PRESET_ARCHITECTURAL, 0);
    vmcb->rflags = RFLAGS_FIXED;
    hv = (struct hv){.icr_judged = ICR_JUDGE_STARTUP};
    pmis = fast = slow = 0;
    change_mode(PMU_FILTERED);
}

static int set_up(void **state)
{
    (void)state;
    block = aligned_alloc(CPU_BLOCK_SIZE, CPU_BLOCK_SIZE);
    cpu = (struct cpu *)(block + CPU_STACK_TOP);
    vmcb = cpu_vmcb(cpu);
    begin(true);
    return 0;
}

/* As svm_slow_exit() and what it calls do it. */
static void by_the_slow_way(bool is_selector, u64 value)
{
    slow++;
    if (cpu->pmu.core.attention)
        credit_begin_amd(cpu, vmcb->cpl);
    else
        credit_nobody(cpu);
    if (is_selector) {
        u32 counter = (u32)pmu_amd_counter((u32)cpu->regs[RCX]);
        u64 hardware = pmu_amd_hardware_value(cpu->pmu.core.filter, value);

        wrmsr((u32)cpu->regs[RCX], hardware);
        if (pmu_amd_commit(&cpu->pmu.amd, counter, value, hardware))
            denial_note(&cpu->pmu.core.denials, &(struct denial){.value = value});
    }
    if (credit_is_due(cpu)) {
        u64 wrapped = credit_finish_amd(cpu);

        if (wrapped)
            credit_overflow_amd(cpu, wrapped, get(IA32_DEBUGCTL));
    }
}

/* What a processor would have done, by what its registers hold. */
static bool counts(u32 counter)
{
    u64 value = get(MSR_PERF_CTL + 2 * counter), event = value & (0xfULL << 32 | 0xff);
    u32 cmask = (u32)FIELD(value, 31, 24), events = event == 0xc0 || event == 0x76;

    if (!(value & EVTSEL_EN) || !(value & (vmcb->cpl ? EVTSEL_USR : EVTSEL_OS)) ||
        (value & EVTSEL_EDGE) || (value & PERF_CTL_HOST_ONLY))
        return false;
    if (pmu.amd.perfmon_v2 && (!(get(MSR_PERF_GLOBAL_CTL) >> counter & 1) ||
                               (get(MSR_PERF_GLOBAL_STATUS) & GLOBAL_FROZEN)))
        return false;
    return !cmask ? events : value & EVTSEL_INV ? events < cmask : events >= cmask;
}

/* An exit, whichever way, and its credit. */
static void instruction(u64 exit_code, u32 msr, u64 value)
{
    u64 expected[SELECTORS];
    bool was_fast;

    for (u32 i = 0; i < SELECTORS; i++)
        expected[i] = (get(MSR_PERF_CTR + 2 * i) + counts(i)) & TOP;
    vmcb->exit_code = exit_code;
    vmcb->exit_info1 = 1;
    vmcb->rax = (u32)value;
    cpu->regs[RCX] = msr;
    cpu->regs[RDX] = value >> 32;
    was_fast = svm_fast_exit(cpu);
    fast += was_fast;
    if (!was_fast)
        by_the_slow_way(exit_code == VMEXIT_MSR && msr >= MSR_PERF_CTL, value);
    for (u32 i = 0; i < SELECTORS; i++)
        assert_int_equal(get(MSR_PERF_CTR + 2 * i), expected[i]);
}

static void executes_cpuid(bool user)
{
    vmcb->cpl = user ? 3 : 0;
    instruction(VMEXIT_CPUID, 0, 0);
}

static void writes_selector(u32 counter, u64 value)
{
    vmcb->cpl = 0;
    instruction(VMEXIT_MSR, MSR_PERF_CTL + 2 * counter, value);
}

/* --- one by one ------------------------------------------------------------------------------- */

static void what_was_found_out_once_is_known(void **state)
{
    (void)state;
    for (u32 v2 = 0; v2 < 2; v2++) {
        begin(v2);
        executes_cpuid(false);
        writes_selector(3, RUNNING | 0xc0);
        executes_cpuid(false);
        assert_int_equal(slow, 2);
        fast = slow = 0;
        for (u32 i = 0; i < 10; i++)
            executes_cpuid(i & 1);
        writes_selector(0, RUNNING | 0xc2);
        writes_selector(0, 0);
        instruction(VMEXIT_MSR, IA32_X2APIC_ICR, 0x40);
        expect_fast(13);
    }
}

/* What perf does where nothing stops all counters at once. */
static void stopping_and_going_on_is_known(void **state)
{
    (void)state;
    begin(false);
    for (u32 round = 0; round < 3; round++) {
        fast = slow = 0;
        writes_selector(0, RUNNING | 0x76);
        writes_selector(1, RUNNING | 0xc2);
        writes_selector(2, RUNNING | 0xc0);
        executes_cpuid(true);
        for (u32 i = 0; i < 3; i++)
            writes_selector(i, 0x30000 | 0xc0);
    }
    expect_fast(7);
    executes_cpuid(true);
    assert_int_equal(cpu->pmu.core.attention, 0);
}

static void another_filter_is_asked_anew(void **state)
{
    (void)state;
    know_instructions(2);
    filter = (struct filter){0};
    change_mode(PMU_FILTERED);
    executes_cpuid(false); /* instruction() fails if it is credited */
    assert_int_equal(slow, 1);
}

static void what_another_filter_allows_is_counted_again(void **state)
{
    (void)state;
    filter = (struct filter){0};
    change_mode(PMU_FILTERED);
    cpu->pmu.amd.shadow[2] = RUNNING | 0xc0;
    executes_cpuid(false);
    allow(PRESET_ARCHITECTURAL, 0);
    change_mode(PMU_FILTERED);
    executes_cpuid(false);
    assert_int_equal(get(MSR_PERF_CTR + 4), 2001);
}

static void a_core_that_starts_knows_nothing(void **state)
{
    (void)state;
    know_instructions(2);
    for (u32 i = 0; i < SELECTORS; i++)
        set(MSR_PERF_CTL + 2 * i, 0);
    pmu_amd_start(&cpu->pmu.amd, &pmu.amd, PMU_FILTERED, &filter, &access);
    assert_false(cpu->pmu.core.known.valid);
}

static void without_a_filter_nothing_is_known(void **state)
{
    (void)state;
    for (enum pmu_mode mode = PMU_FILTERED + 1; mode <= PMU_OFF; mode++) {
        begin(true);
        know_instructions(2);
        change_mode(mode);
        executes_cpuid(false);
        set(MSR_PERF_CTL + 2, mode == PMU_FULL ? RUNNING | 0xc0 : 0);
        executes_cpuid(false);
        executes_cpuid(true);
        assert_false(cpu->pmu.core.known.valid);
    }
}

static void other_processors_are_left_to_the_slow_way(void **state)
{
    (void)state;
    pmu.vmrun_branch = true; /* of which svm_slow_exit() has to know each */
    executes_cpuid(false);
    assert_false(cpu->pmu.core.known.valid);
    pmu.vmrun_branch = false;
    pmu.amd.counters = 4;
    cpu->pmu.core.attention = 1;
    executes_cpuid(false);
    assert_false(cpu->pmu.core.known.valid);
    pmu.amd.counters = 6;
    pmu.amd.extended = false;
    cpu->pmu.core.attention = 1;
    credit_begin_amd(cpu, false);
    assert_false(cpu->pmu.core.known.valid);
}

/* All three are as they were when the slow way comes to it. */
static void what_would_wrap_is_taken_back(void **state)
{
    (void)state;
    for (u32 i = 0; i < 3; i++)
        writes_selector(i, RUNNING | EVTSEL_INT | 0xc0);
    executes_cpuid(false);
    set(MSR_PERF_CTR + 4, TOP);
    fast = slow = 0;
    executes_cpuid(false);
    assert_int_equal(slow, 1);
    assert_int_equal(pmis, 1);
    assert_int_equal(get(MSR_PERF_GLOBAL_STATUS_SET), BIT(2));
    set(MSR_PERF_CTR + 4, 0x7ffffffff);
    executes_cpuid(false);
    assert_int_equal(slow, 2);
    executes_cpuid(false);
    expect_fast(1);
    assert_int_equal(pmis, 1);
}

static void what_is_unusual_after_all_is_taken_back(void **state)
{
    (void)state;
    know_instructions(1);
    writes_selector(4, RUNNING | 0x29); /* denied for the first time */
    assert_int_equal(slow, 1);
    writes_selector(4, RUNNING | 0x29);
    expect_fast(1);
    instruction(VMEXIT_MSR, IA32_X2APIC_ICR, 0x500); /* INIT */
    instruction(VMEXIT_CPUID, 0, 1);                 /* edited */
    assert_int_equal(slow, 2);
    assert_int_equal(cpu->exits[EXIT_IPI], 0);
}

/* Where all are looked at, none is left out for good. */
static void policies_with_cmask_look_at_all(void **state)
{
    (void)state;
    allow(PRESET_ALL, EVTSEL_CMASK | EVTSEL_INV);
    change_mode(PMU_FILTERED);
    executes_cpuid(false);
    writes_selector(1, RUNNING | 0xc0);
    executes_cpuid(false);
    writes_selector(5, RUNNING | EVTSEL_INV | 1 << 24 | 0x29);
    executes_cpuid(false);
    assert_int_equal(cpu->pmu.core.attention, 0x3f);
    assert_int_equal(get(MSR_PERF_CTR + 10), 5001);
    executes_cpuid(false);
    assert_int_equal(get(MSR_PERF_CTR + 10), 5002);
    writes_selector(1, 0);
    fast = slow = 0;
    executes_cpuid(false);
    expect_fast(1);
}

static u64 some_selector(void)
{
    static const u64 values[] = {0,
                                 0xc0,
                                 RUNNING | 0xc0,
                                 RUNNING | 0xc0,
                                 RUNNING | 0x76,
                                 RUNNING | 0xc2,
                                 RUNNING | EVTSEL_INT | 0x76,
                                 EVTSEL_EN | EVTSEL_OS | 0xc0,
                                 EVTSEL_EN | EVTSEL_USR | 0xc0,
                                 RUNNING | 0x29,
                                 RUNNING | 1ULL << 32 | 0xc0,
                                 RUNNING | EVTSEL_INV | 1 << 24 | 0x29,
                                 RUNNING | 2 << 24 | 0xc0,
                                 RUNNING | PERF_CTL_HOST_ONLY | 0x76};

    return values[below(COUNT(values))];
}

/* Which needs no exit. */
static void guest_does_something(void)
{
    u32 counter = below(SELECTORS);

    if (below(2))
        set(MSR_PERF_CTR + 2 * counter, (below(2) ? TOP : 0x3ffffffff) - below(3));
    else if (cpu->pmu.core.mode == PMU_FULL)
        set(MSR_PERF_CTL + 2 * counter, some_selector());
    else if (pmu.amd.perfmon_v2 && below(2))
        set(MSR_PERF_GLOBAL_CTL, below(2) ? 0x3f : below(0x40));
    else if (pmu.amd.perfmon_v2)
        set(MSR_PERF_GLOBAL_STATUS, below(4) ? 0 : GLOBAL_FROZEN);
}

static void counts_are_the_hardwares(void **state)
{
    u32 by_fast_path = 0;

    (void)state;
    for (u32 run = 0; run < 200; run++) {
        begin(run & 1);
        for (u32 i = 0; i < 500; i++)
            something_happens();
        by_fast_path += fast;
    }
    assert_true(by_fast_path > 200 * 500 / 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_was_found_out_once_is_known),
        TEST(stopping_and_going_on_is_known),
        TEST(another_filter_is_asked_anew),
        TEST(what_another_filter_allows_is_counted_again),
        TEST(a_core_that_starts_knows_nothing),
        TEST(without_a_filter_nothing_is_known),
        TEST(other_processors_are_left_to_the_slow_way),
        TEST(what_would_wrap_is_taken_back),
        TEST(what_is_unusual_after_all_is_taken_back),
        TEST(policies_with_cmask_look_at_all),
        TEST(counts_are_the_hardwares),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
