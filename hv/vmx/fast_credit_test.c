/* Emulated instructions while counters run, by the fast path and, where that declines, the slow
 * way: counters rise as the registers of the hardware say, whatever was known of them before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "fake/fake_vmx.h"

static bool write_halves(u32 msr, u32 low, u32 high);
#define wrmsr_halves_safe write_halves
#include "pmu/intel.c"
#include "pmu/lbr_intel.c"
#include "counters/credit_intel.c"
#undef credited
#include "pmu/denial.c"
#include "pmu/filter.c"
#include "pmu/policy.c"
#include "vmx/fast.c"

enum { SELECTORS = 8, COUNTERS = SELECTORS + 2 };

#include "fake/fast_credit_check.h"

struct hv hv;
struct vmx vmx;
struct pmu pmu;

static const struct pmu_intel_limits limits = {.fixed = 7};
static bool in_list; /* GLOBAL_CTRL */

void pmi_raise(const struct cpu *self, bool set_mask)
{
    assert_ptr_equal(self, cpu);
    assert_true(set_mask);
    pmis++;
}

static u32 counter_msr(u32 i)
{
    return i < SELECTORS ? IA32_A_PMC0 + i : IA32_FIXED_CTR0 + i - SELECTORS;
}

static void allow(u32 preset, u64 modifiers)
{
    static const struct policy_cpu intel = {.format = &filter_format_intel,
                                            .architectural = pmu_intel_architectural,
                                            .core = policy_core_intel,
                                            .architectural_count = COUNT(pmu_intel_architectural),
                                            .core_count = COUNT(policy_core_intel)};
    struct pmu_policy policy = {.presets = {1U << preset}, .modifiers = {modifiers}};

    policy_build(&filter, &policy, &intel);
}

static void change_mode(enum pmu_mode mode)
{
    enum pmu_mode from = cpu->pmu.core.mode;

    cpu->pmu.core.mode = (u8)mode;
    cpu->pmu.core.filter = mode == PMU_FILTERED ? &filter : &nothing;
    pmu_intel_switch(&cpu->pmu.intel, from, mode, cpu->pmu.core.filter, &limits, &access);
}

static void set_global_ctrl(u64 value)
{
    cpu->vmx.guest_global.value = in_list ? value : ALL;
    fake_vmcs[VMCS_GUEST_PERF_GLOBAL_CTRL] = in_list ? ALL : value;
}

static u64 global_ctrl(void)
{
    return in_list ? cpu->vmx.guest_global.value : fake_vmcs[VMCS_GUEST_PERF_GLOBAL_CTRL];
}

static void set_cpl(u32 cpl)
{
    fake_vmcs[VMCS_GUEST_ES_RIGHTS + 2 * SEG_SS] = (u64)cpl << 5;
}

static void begin(u8 version)
{
    memset(&fake, 0, sizeof(fake));
    memset(fake_vmcs, 0, sizeof(fake_vmcs));
    memset(block, 0, CPU_BLOCK_SIZE);
    cpu->pmu.intel.caps = (struct pmu_intel_caps){.version = version,
                                                  .counters = SELECTORS,
                                                  .general = 0xff,
                                                  .width = 48,
                                                  .fixed_width = 48,
                                                  .fixed = 7,
                                                  .full_width = true};
    for (u32 i = 0; i < SELECTORS; i++)
        fake_msr(IA32_PERFEVTSEL0 + i, 0, ALL);
    for (u32 i = 0; i < COUNTERS; i++)
        fake_msr(counter_msr(i), 1000 * i, TOP);
    fake_msr(IA32_FIXED_CTR_CTRL, 0, 0xbbb);
    fake_msr(IA32_X2APIC_ICR, 0, ALL);
    if (version >= 4) {
        fake_msr(IA32_PERF_GLOBAL_STATUS, 0, ALL);
        fake_msr(IA32_PERF_GLOBAL_STATUS_SET, 0, ALL);
    }
    vmx = (struct vmx){.global_ctrl = true, .global_list = in_list};
    hv = (struct hv){.intel = true, .icr_judged = ICR_JUDGE_STARTUP};
    fake_vmcs[VMCS_GUEST_RFLAGS] = RFLAGS_FIXED;
    fake_vmcs[VMCS_EXIT_LENGTH] = 2;
    pmis = fast = slow = 0;
    allow(PRESET_ARCHITECTURAL, 0);
    change_mode(PMU_FILTERED);
    set_global_ctrl(0xff);
}

static int set_up(void **state)
{
    (void)state;
    block = aligned_alloc(CPU_BLOCK_SIZE, CPU_BLOCK_SIZE);
    cpu = (struct cpu *)(block + CPU_STACK_TOP);
    in_list = false;
    begin(5);
    return 0;
}

/* As vmx_slow_exit() and what it calls do it. */
static void by_the_slow_way(bool user, bool is_selector, u64 value)
{
    u32 msr = (u32)cpu->regs[RCX];
    u64 wrapped;

    slow++;
    if (pmu_intel_may_credit(&cpu->pmu.intel, vmx_global_ctrl(cpu)))
        credit_begin_intel(cpu, user, vmx_global_ctrl(cpu));
    else
        credit_nobody(cpu);
    if (is_selector) {
        u64 hardware = pmu_intel_hardware_value(cpu->pmu.core.filter, value);

        wrmsr(msr, hardware);
        if (pmu_intel_commit(&cpu->pmu.intel, (u32)pmu_intel_counter(msr), value, hardware))
            denial_note(&cpu->pmu.core.denials, &(struct denial){.value = value});
    }
    if (!credit_is_due(cpu))
        return;
    wrapped = credit_finish_intel(cpu);
    if (wrapped)
        credit_overflow_intel(cpu, wrapped, 0);
}

/* What a processor would have done, by what its registers hold. */
static bool fixed_counts(u32 counter, bool user)
{
    if (!(global_ctrl() >> (32 + counter) & 1) || (!counter && cpu->pmu.intel.caps.overcounts))
        return false;
    return get(IA32_FIXED_CTR_CTRL) >> 4 * counter & (user ? 2 : 1);
}

static bool general_counts(u32 counter, bool user)
{
    u64 value = get(IA32_PERFEVTSEL0 + counter), event = value & 0xffff;
    u32 cmask = (u32)FIELD(value, 31, 24);
    u32 events =
        event == 0x3c || ((event == 0xc0 || event == 0x1c0) && !cpu->pmu.intel.caps.overcounts);

    if (!(value & EVTSEL_EN) || !(value & (user ? EVTSEL_USR : EVTSEL_OS)) ||
        (value & EVTSEL_EDGE) || (value & BIT(32)) || !(global_ctrl() >> counter & 1))
        return false;
    return !cmask ? events : value & EVTSEL_INV ? events < cmask : events >= cmask;
}

static bool counts(u32 counter, bool user)
{
    if (cpu->pmu.intel.caps.version >= 4 && (get(IA32_PERF_GLOBAL_STATUS) & GLOBAL_FROZEN))
        return false;
    return counter < SELECTORS ? general_counts(counter, user)
                               : fixed_counts(counter - SELECTORS, user);
}

/* An exit, whichever way, and its credit. Before version 4 none wraps by it. */
static void instruction(u64 reason, bool user, u32 msr, u64 value)
{
    u64 expected[COUNTERS];
    bool was_fast;

    for (u32 i = 0; i < COUNTERS; i++) {
        expected[i] = (get(counter_msr(i)) + counts(i, user)) & TOP;
        if (!expected[i] && cpu->pmu.intel.caps.version < 4)
            expected[i] = get(counter_msr(i));
    }
    set_cpl(user ? 3 : 0);
    fake_vmcs[VMCS_EXIT_REASON] = reason;
    cpu->regs[RAX] = (u32)value;
    cpu->regs[RCX] = msr;
    cpu->regs[RDX] = value >> 32;
    was_fast = in_list ? vmx_fast_exit_list(cpu) : vmx_fast_exit(cpu);
    fast += was_fast;
    if (!was_fast)
        by_the_slow_way(user, reason == VMX_EXIT_WRMSR && msr < IA32_X2APIC_ICR, value);
    for (u32 i = 0; i < COUNTERS; i++)
        assert_int_equal(get(counter_msr(i)), expected[i]);
}

static void executes_cpuid(bool user)
{
    instruction(VMX_EXIT_CPUID, user, 0, 0);
}

static void writes_selector(u32 counter, u64 value)
{
    instruction(VMX_EXIT_WRMSR, false, IA32_PERFEVTSEL0 + counter, value);
}

/* --- one by one ------------------------------------------------------------------------------- */

static void what_was_found_out_once_is_known(void **state)
{
    (void)state;
    for (u32 list = 0; list < 2; list++) {
        in_list = list;
        begin(5);
        set_global_ctrl(0xff | GLOBAL_FIXED_CREDITED);
        set(IA32_FIXED_CTR_CTRL, 0x33);
        executes_cpuid(false);
        writes_selector(3, RUNNING | 0xc0);
        executes_cpuid(false);
        fast = slow = 0;
        for (u32 i = 0; i < 10; i++)
            executes_cpuid(i & 1);
        writes_selector(0, RUNNING | 0xc4);
        writes_selector(0, 0);
        instruction(VMX_EXIT_WRMSR, false, IA32_X2APIC_ICR, 0x40);
        expect_fast(13);
    }
}

static void fixed_counters_are_asked_each_time(void **state)
{
    (void)state;
    set_global_ctrl(GLOBAL_FIXED_CREDITED);
    executes_cpuid(false);
    fast = slow = 0;
    for (u64 control = 0; control < 0x40; control++) {
        set(IA32_FIXED_CTR_CTRL, control & 0x33);
        executes_cpuid(false);
        executes_cpuid(true);
    }
    for (u64 enabled = 1; enabled < 4; enabled++) {
        set_global_ctrl(enabled << 32);
        executes_cpuid(false);
    }
    expect_fast(131);
}

/* Version 1 has none, and no register for them. */
static void fixed_counters_are_not_asked_where_none_counts(void **state)
{
    (void)state;
    set_global_ctrl(0xff | GLOBAL_FIXED(2));
    executes_cpuid(false);
    fake.msr[fake_msr_index(IA32_FIXED_CTR_CTRL)].number = 0;
    fast = slow = 0;
    executes_cpuid(false);
    expect_fast(1);
}

static void another_filter_is_asked_anew(void **state)
{
    (void)state;
    know_instructions(2);
    filter = (struct filter){0};
    change_mode(PMU_FILTERED);
    executes_cpuid(false); /* instruction() fails if it is credited */
    assert_int_equal(slow, 1);
    allow(PRESET_ARCHITECTURAL, 0);
    change_mode(PMU_FILTERED);
    executes_cpuid(false);
    assert_int_equal(slow, 2);
}

static void a_core_that_starts_knows_nothing(void **state)
{
    (void)state;
    know_instructions(2);
    pmu_intel_start(&cpu->pmu.intel, PMU_FILTERED, &filter, &limits, &access);
    assert_false(cpu->pmu.core.known.valid);
}

static void without_a_filter_nothing_is_known(void **state)
{
    (void)state;
    for (enum pmu_mode mode = PMU_FILTERED + 1; mode <= PMU_OFF; mode++) {
        begin(5);
        know_instructions(2);
        change_mode(mode);
        executes_cpuid(false);
        set(IA32_PERFEVTSEL0 + 1, mode == PMU_FULL ? RUNNING | 0xc0 : 0);
        executes_cpuid(false);
        executes_cpuid(true);
        assert_false(cpu->pmu.core.known.valid);
    }
}

static void counters_of_32_bits_are_left_to_the_slow_way(void **state)
{
    (void)state;
    cpu->pmu.intel.caps.full_width = false;
    credit_begin_intel(cpu, false, 0xff);
    assert_false(cpu->pmu.core.known.valid);
}

/* Where the exit itself has counted an instruction. */
static void cycles_alone_are_known_where_exits_count(void **state)
{
    (void)state;
    cpu->pmu.intel.caps.overcounts = true;
    set_global_ctrl(0xff | GLOBAL_FIXED_CREDITED);
    set(IA32_FIXED_CTR_CTRL, 0x33);
    writes_selector(1, RUNNING | 0xc0);
    writes_selector(2, RUNNING | 0x3c);
    executes_cpuid(false);
    fast = slow = 0;
    executes_cpuid(false);
    expect_fast(1);
}

/* All are as they were when the slow way comes to it. */
static void what_would_wrap_is_taken_back(void **state)
{
    (void)state;
    set_global_ctrl(0xff | GLOBAL_FIXED_CREDITED);
    set(IA32_FIXED_CTR_CTRL, 0x3b);
    for (u32 i = 0; i < 3; i++)
        writes_selector(i, RUNNING | EVTSEL_INT | 0xc0);
    executes_cpuid(false);
    for (u32 i = 0; i < COUNTERS; i++) {
        u64 old = get(counter_msr(i));

        if (i >= 3 && i < SELECTORS)
            continue;
        set(counter_msr(i), TOP);
        fast = slow = pmis = 0;
        executes_cpuid(false);
        assert_int_equal(slow, 1);
        assert_int_equal(pmis, i != SELECTORS + 1);
        set(counter_msr(i), 0x7ffffffff);
        executes_cpuid(false);
        assert_int_equal(slow, 2);
        set(counter_msr(i), old);
        executes_cpuid(false);
        expect_fast(1);
    }
}

static void what_is_unusual_after_all_is_taken_back(void **state)
{
    (void)state;
    know_instructions(1);
    set_global_ctrl(0xff | GLOBAL_FIXED_CREDITED);
    set(IA32_FIXED_CTR_CTRL, 0x33);
    writes_selector(4, RUNNING | 0x29); /* denied for the first time */
    assert_int_equal(slow, 1);
    writes_selector(4, RUNNING | 0x29);
    expect_fast(1);
    instruction(VMX_EXIT_WRMSR, false, IA32_X2APIC_ICR, 0x500); /* INIT */
    cpu->regs[RAX] = 1;
    instruction(VMX_EXIT_CPUID, false, 0, 1); /* edited */
    assert_int_equal(slow, 2);
}

static u64 some_selector(void)
{
    static const u64 values[] = {0,
                                 0xc0,
                                 RUNNING | 0xc0,
                                 RUNNING | 0xc0,
                                 RUNNING | 0x3c,
                                 RUNNING | 0xc4,
                                 RUNNING | EVTSEL_INT | 0x3c,
                                 EVTSEL_EN | EVTSEL_OS | 0xc0,
                                 EVTSEL_EN | EVTSEL_USR | 0xc0,
                                 RUNNING | 0x29,
                                 RUNNING | 0x1c0,
                                 RUNNING | 0x13c,
                                 RUNNING | EVTSEL_INV | 1 << 24 | 0x29,
                                 RUNNING | 2 << 24 | 0xc0};

    return values[below(COUNT(values))];
}

/* Which needs no exit. */
static void guest_does_something(void)
{
    u32 counter = below(SELECTORS);

    if (below(2))
        set(counter_msr(below(COUNTERS)), (below(2) ? TOP : 0x3ffffffff) - below(3));
    else if (cpu->pmu.core.mode == PMU_FULL)
        set(IA32_PERFEVTSEL0 + counter, some_selector());
    else if (below(2))
        set_global_ctrl((below(2) ? 0xff : below(0x100)) | (u64)below(4) << 32);
    else if (below(2) && cpu->pmu.core.mode != PMU_OFF)
        set(IA32_FIXED_CTR_CTRL, below(0x100) & 0xbb);
    else if (cpu->pmu.intel.caps.version >= 4)
        set(IA32_PERF_GLOBAL_STATUS, below(4) ? 0 : GLOBAL_FROZEN);
}

static void counts_are_the_hardwares(void **state)
{
    u32 by_fast_path = 0;

    (void)state;
    for (u32 run = 0; run < 200; run++) {
        in_list = run & 1;
        begin(run & 2 ? 3 : 5);
        cpu->pmu.intel.caps.overcounts = run % 16 == 0;
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
        TEST(fixed_counters_are_asked_each_time),
        TEST(fixed_counters_are_not_asked_where_none_counts),
        TEST(another_filter_is_asked_anew),
        TEST(a_core_that_starts_knows_nothing),
        TEST(without_a_filter_nothing_is_known),
        TEST(counters_of_32_bits_are_left_to_the_slow_way),
        TEST(cycles_alone_are_known_where_exits_count),
        TEST(what_would_wrap_is_taken_back),
        TEST(what_is_unusual_after_all_is_taken_back),
        TEST(counts_are_the_hardwares),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
