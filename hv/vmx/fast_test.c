/* The fast path: what it does is what the slow way would, and where it declines nothing has changed
 * for that one to find. */
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
#include "vmx/fast.c"

#define HIGH_NOISE 0xdeadbeef00000000ULL

#define CPUID_PLAIN 0U /* vendor and largest leaf */

#define ALLOWED  0xc4   /* retired branches: nothing emulated is one */
#define CREDITED 0xc0   /* retired instructions */
#define CYCLES   0x3c   /* core cycles */
#define DENIED   0x41d1 /* event D1H, umask 41H */
#define SELECTOR 0x188U /* the third of ten */
#define EN       (1U << 22)

struct hv hv;
struct vmx vmx;

static struct filter filter;
static u8 *block, before[CPU_BLOCK_SIZE];
static u64 vmcs_before[COUNT(fake_vmcs)];
static struct cpu *cpu;
static u32 writes;

static bool write_halves(u32 msr, u32 low, u32 high)
{
    if (!wrmsr_safe(msr, (u64)high << 32 | low))
        return false;
    writes++;
    return true;
}

static void allow(u32 event)
{
    filter.allowed[event / 32] |= 1U << event % 32;
}

static void the_exit_ends_a_shadow(void)
{
    fake_vmcs[VMCS_INTERRUPTIBILITY] = BLOCKED_BY_STI | BLOCKED_BY_NMI;
}

static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    memset(fake_vmcs, 0, sizeof(fake_vmcs));
    fake_msr(IA32_X2APIC_ICR, 0, MASK(63, 32) | 0xcffff);
    fake_msr(SELECTOR, 0, ~0ULL);
    fake_msr(0x18f, 0, ~0ULL);
    block = aligned_alloc(CPU_BLOCK_SIZE, CPU_BLOCK_SIZE);
    memset(block, 0, CPU_BLOCK_SIZE);
    cpu = (struct cpu *)(block + CPU_STACK_TOP);
    memset(&filter, 0, sizeof(filter));
    filter.refused_low = (u32)(EVTSEL_INV | EVTSEL_ANY);
    filter.refused_high = ~0U;
    allow(ALLOWED);
    allow(CREDITED);
    allow(CYCLES);
    cpu->pmu.core.filter = &filter;
    cpu->pmu.core.mode = PMU_FILTERED;
    hv = (struct hv){.icr_judged = ICR_JUDGE_STARTUP};
    vmx = (struct vmx){.global_ctrl = true};
    writes = 0;
    fake_vmcs[VMCS_GUEST_RIP] = 0x100;
    fake_vmcs[VMCS_EXIT_LENGTH] = 2;
    fake_vmcs[VMCS_GUEST_RFLAGS] = RFLAGS_FIXED;
    the_exit_ends_a_shadow();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(block);
    return 0;
}

static void expect_nothing_else_done_by(bool (*fast)(struct cpu *cpu))
{
    memcpy(before, block, sizeof(before));
    memcpy(vmcs_before, fake_vmcs, sizeof(fake_vmcs));
    writes = 0;
    assert_false(fast(cpu));
    assert_memory_equal(block, before, sizeof(before));
    assert_memory_equal(fake_vmcs, vmcs_before, sizeof(fake_vmcs));
    assert_int_equal(writes, 0);
}

static void expect_nothing_else_done(void)
{
    expect_nothing_else_done_by(vmx_fast_exit);
}

/* RIP behind the instruction, which also ends an interrupt shadow, and no blocking by NMI. */
static void expect_done(u64 rip)
{
    the_exit_ends_a_shadow();
    assert_true(vmx_fast_exit(cpu));
    assert_int_equal(fake_vmcs[VMCS_GUEST_RIP], rip);
    assert_int_equal(fake_vmcs[VMCS_INTERRUPTIBILITY], BLOCKED_BY_NMI);
    assert_int_equal(fake_vmcs[VMCS_ENTRY_EVENT], 0);
}

static void executes_cpuid(u32 leaf, u32 subleaf)
{
    fake_vmcs[VMCS_EXIT_REASON] = 10;
    cpu->regs[RAX] = HIGH_NOISE | leaf;
    cpu->regs[RBX] = cpu->regs[RDX] = ~0ULL;
    cpu->regs[RCX] = HIGH_NOISE | subleaf;
}

static void writes_msr(u32 msr, u64 value)
{
    fake_vmcs[VMCS_EXIT_REASON] = 32;
    cpu->regs[RAX] = HIGH_NOISE | (u32)value;
    cpu->regs[RCX] = HIGH_NOISE | msr;
    cpu->regs[RDX] = HIGH_NOISE | value >> 32;
}

/* --- what is left to the slow way ---------------------------------------------------------------
 */

static void cpuid_exits(void)
{
    executes_cpuid(CPUID_PLAIN, 0);
}

static void ipi_exits(void)
{
    writes_msr(IA32_X2APIC_ICR, 0x300000040);
}

static void allowed_selector_exits(void)
{
    writes_msr(SELECTOR, ALLOWED | EN);
}

static void denied_selector_exits(void)
{
    writes_msr(SELECTOR, DENIED);
}

static void (*const usual[])(void) = {cpuid_exits, ipi_exits, allowed_selector_exits,
                                      denied_selector_exits};

static void single_steps_and_resumes_are_not_for_it(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(usual); i++) {
        usual[i]();
        fake_vmcs[VMCS_GUEST_RFLAGS] = RFLAGS_FIXED | BIT(8); /* TF */
        expect_nothing_else_done();
        fake_vmcs[VMCS_GUEST_RFLAGS] = RFLAGS_FIXED | BIT(16); /* RF */
        expect_nothing_else_done();
        fake_vmcs[VMCS_GUEST_RFLAGS] = ~(BIT(8) | BIT(16)); /* any other */
        assert_true(vmx_fast_exit(cpu));
    }
}

/* GLOBAL_CTRL: general-purpose counters below, fixed ones above (SDM 20.2.2). */
static const struct {
    u16 attention;
    u64 enabled;
    bool credits;
} crediting[] = {{0, 0, false},         {0, 0xff, false},         {0, BIT(31), false},
                 {0, BIT(32), true},    {0, BIT(35), true},       {4, 0, false},
                 {4, 1, true},          {PMU_INTEL_ALL, 4, true}, {4, BIT(33), true},
                 {0, BIT(33) | 3, true}};

/* An emulated instruction is credited to counters that count it, while they do. */
static void what_may_have_to_be_credited_is_not_for_it(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(usual); i++)
        for (u32 j = 0; j < COUNT(crediting); j++) {
            cpu->pmu.core.attention = crediting[j].attention;
            fake_vmcs[VMCS_GUEST_PERF_GLOBAL_CTRL] = crediting[j].enabled;
            usual[i]();
            if (crediting[j].credits)
                expect_nothing_else_done();
            else
                assert_true(vmx_fast_exit(cpu));
        }
}

/* Where GLOBAL_CTRL is in MSR lists, that is where the exit has left it. */
static void the_value_in_a_list_is_asked_where_there_are_lists(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(usual); i++) {
        cpu->vmx.guest_global.value = BIT(32);
        fake_vmcs[VMCS_GUEST_PERF_GLOBAL_CTRL] = 0;
        usual[i]();
        expect_nothing_else_done_by(vmx_fast_exit_list);
        cpu->vmx.guest_global.value = 0xff;
        fake_vmcs[VMCS_GUEST_PERF_GLOBAL_CTRL] = BIT(32);
        assert_true(vmx_fast_exit_list(cpu));
    }
}

static void expect_reason_not_done(u64 reason)
{
    writes_msr(IA32_X2APIC_ICR, 0x40);
    fake_vmcs[VMCS_EXIT_REASON] = reason;
    expect_nothing_else_done();
    writes_msr(SELECTOR, ALLOWED | EN);
    fake_vmcs[VMCS_EXIT_REASON] = reason;
    expect_nothing_else_done();
}

static void other_exits_are_not_for_it(void **state)
{
    (void)state;
    for (u64 reason = 0; reason < 96; reason++)
        if (reason != 10 && reason != 32)
            expect_reason_not_done(reason);
    expect_reason_not_done(BIT(31) | 10); /* failed entries */
    expect_reason_not_done(BIT(31) | 32);
    expect_reason_not_done(BIT(31) | 33);
}

/* --- CPUID --------------------------------------------------------------------------------------
 */

static void a_plain_leaf_is_the_processors(void **state)
{
    u32 a, b, c, d;

    (void)state;
    __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(CPUID_PLAIN), "c"(0));
    executes_cpuid(CPUID_PLAIN, 0);
    expect_done(0x102);
    assert_int_equal(cpu->regs[RAX], a);
    assert_int_equal(cpu->regs[RBX], b);
    assert_int_equal(cpu->regs[RCX], c);
    assert_int_equal(cpu->regs[RDX], d);
    assert_int_equal(cpu->exits[EXIT_CPUID], 1);
    fake_vmcs[VMCS_EXIT_LENGTH] = 5; /* with prefixes */
    executes_cpuid(CPUID_PLAIN, 0);
    expect_done(0x107);
    assert_int_equal(cpu->exits[EXIT_CPUID], 2);
}

/* Caches, one after the other: Intel's leaf and AMD's. */
static void a_plain_subleaf_is_the_processors(void **state)
{
    static const u32 leaves[] = {4, 0x8000001d};

    (void)state;
    for (u32 i = 0; i < 2 * 4; i++) {
        u32 a, b, c, d;

        __asm__ volatile("cpuid"
                         : "=a"(a), "=b"(b), "=c"(c), "=d"(d)
                         : "a"(leaves[i / 4]), "c"(i % 4));
        executes_cpuid(leaves[i / 4], i % 4);
        if (!cpuid_plain_intel(leaves[i / 4]))
            continue;
        expect_done(0x102 + 2 * cpu->exits[EXIT_CPUID]);
        assert_int_equal(cpu->regs[RAX], a);
        assert_int_equal(cpu->regs[RBX], b);
        assert_int_equal(cpu->regs[RCX], c);
        assert_int_equal(cpu->regs[RDX], d);
    }
}

static void an_edited_leaf_is_not_for_it(void **state)
{
    static const u32 leaves[] = {1, 7, 0xa, 0xd, 0x40000000};

    (void)state;
    for (u32 i = 0; i < COUNT(leaves); i++) {
        executes_cpuid(leaves[i], 0);
        expect_nothing_else_done();
    }
}

/* --- the interrupt command ----------------------------------------------------------------------
 */

static void set_rip(u64 rip)
{
    fake_vmcs[VMCS_GUEST_RIP] = rip;
}

#include "fake/fast_icr_check.h"

/* --- event selectors ----------------------------------------------------------------------------
 */

static void expect_written(u64 value, u64 hardware)
{
    u64 count = cpu->exits[EXIT_PMU_WRITE];

    wrmsr(SELECTOR, 0x5a5a);
    cpu->pmu.intel.shadow[2] = 0x5a5a5a5a5a5a5a5a;
    fake_vmcs[VMCS_GUEST_RIP] = 0x100;
    writes_msr(SELECTOR, value);
    expect_done(0x102);
    assert_int_equal(rdmsr(SELECTOR), hardware);
    assert_int_equal(cpu->pmu.intel.shadow[2], value);
    assert_int_equal(cpu->exits[EXIT_PMU_WRITE], count + 1);
}

static void expect_not_written(u64 value)
{
    writes_msr(SELECTOR, value);
    expect_nothing_else_done();
}

static void an_allowed_event_is_counted(void **state)
{
    (void)state;
    filter.refused_high = 0; /* a policy with modifiers */
    expect_written(ALLOWED | EN | 3 << 16, ALLOWED | EN | 3 << 16);
    expect_written(BIT(34) | ALLOWED | EN, BIT(34) | ALLOWED | EN);
    expect_written(ALLOWED, ALLOWED);
    assert_int_equal(cpu->pmu.core.attention, 0);
    assert_int_equal(cpu->pmu.intel.shadow[1] | cpu->pmu.intel.shadow[3], 0);
    assert_int_equal(cpu->exits[EXIT_PMU_WRITE], 3);
}

static void the_last_selector_has_its_shadow(void **state)
{
    (void)state;
    writes_msr(0x18f, ALLOWED | EN);
    expect_done(0x102);
    assert_int_equal(cpu->pmu.intel.shadow[9], ALLOWED | EN);
    assert_int_equal(rdmsr(0x18f), ALLOWED | EN);
    writes_msr(0x18f, DENIED);
    expect_done(0x104);
    assert_int_equal(cpu->pmu.intel.shadow[9], DENIED);
    assert_int_equal(rdmsr(0x18f), 0);
}

static void one_that_counts_emulated_instructions_is_paid_attention(void **state)
{
    static const u32 events[] = {CREDITED, CYCLES};

    (void)state;
    for (u32 i = 0; i < COUNT(events); i++) {
        cpu->pmu.core.attention = 0;
        expect_written(events[i], events[i]); /* not enabled */
        assert_int_equal(cpu->pmu.core.attention, 0);
        expect_written(events[i] | EN, events[i] | EN);
        assert_true(cpu->pmu.core.attention & BIT(2));
    }
}

/* Others that policies deny: slow. */
static void what_is_no_selector_is_not_for_it(void **state)
{
    static const u32 msrs[] = {0x185, 0x190, 0x38f, 0x1901, IA32_EFER, IA32_X2APIC_ICR + 1, 0};
    static const u64 values[] = {ALLOWED | EN, ALLOWED, DENIED | EN, DENIED};

    (void)state;
    for (u32 i = 0; i < COUNT(msrs); i++)
        for (u32 j = 0; j < COUNT(values); j++) {
            fake.msrs = 3;
            fake_msr(msrs[i], 0, ~0ULL);
            writes_msr(msrs[i], values[j]);
            expect_nothing_else_done();
        }
}

/* Where the processor lacks it. The slow way raises #GP. */
static void expect_fault(u64 value)
{
    writes_msr(SELECTOR, value);
    assert_false(vmx_fast_exit(cpu));
    assert_int_equal(fake_vmcs[VMCS_GUEST_RIP], 0x100);
    assert_int_equal(fake_vmcs[VMCS_INTERRUPTIBILITY], BLOCKED_BY_STI | BLOCKED_BY_NMI);
    assert_int_equal(cpu->pmu.intel.shadow[2], 0);
    assert_int_equal(cpu->exits[EXIT_PMU_WRITE], 0);
}

static void a_selector_that_faults_is_not_written(void **state)
{
    (void)state;
    fake.msr[fake_msr_index(SELECTOR)].number = 0;
    expect_fault(ALLOWED | EN);
    expect_fault(DENIED);
}

static struct denial *note(u64 value)
{
    struct denial *row = denial_home(&cpu->pmu.core.denials, (u32)value);

    row->value = value;
    row->count = 7;
    return row;
}

/* From the second time on; the first is noted with where it happened. */
static void a_denied_event_is_counted_and_reaches_no_hardware(void **state)
{
    static const u32 values[] = {DENIED | EN, EVTSEL_INV | ALLOWED | EN, 0x10000c4 | EN | DENIED};

    (void)state;
    for (u32 i = 0; i < COUNT(values); i++) {
        struct denial *row;

        memset(&cpu->pmu.core.denials, 0, sizeof(cpu->pmu.core.denials));
        expect_not_written(values[i]);
        row = note(values[i]);
        expect_written(values[i], 0);
        assert_int_equal(row->count, 8);
        assert_int_not_equal(row->last, 0);
    }
}

static void an_event_that_differs_from_the_noted_one_is_not_for_it(void **state)
{
    struct denial *row = note(DENIED | EN);

    (void)state;
    expect_not_written(DENIED | EN | 1 << 16);
    row->value |= BIT(32);
    expect_not_written(DENIED | EN);
}

static void a_denied_value_that_enables_nothing_is_no_denial(void **state)
{
    (void)state;
    expect_written(DENIED, 0);
    expect_written(0, 0);
    expect_written(EVTSEL_INV | 0x1700c4, 0);
    assert_int_equal(denial_home(&cpu->pmu.core.denials, DENIED)->count, 0);
}

/* Upper halves and AnyThread fault on some processors and may be allowed by the slow way. */
static void what_may_fault_or_be_allowed_elsewhere_is_not_for_it(void **state)
{
    static const u64 values[] = {BIT(32) | DENIED, BIT(40) | ALLOWED | EN, BIT(63) | DENIED,
                                 EVTSEL_ANY | DENIED, EVTSEL_ANY | ALLOWED | EN};

    (void)state;
    for (u32 i = 0; i < COUNT(values); i++) {
        note(values[i]);
        expect_not_written(values[i]);
    }
}

static void modes_without_a_filter_are_not_for_it(void **state)
{
    (void)state;
    note(DENIED | EN);
    memset(filter.allowed, 0, sizeof(filter.allowed)); /* as in these modes */
    for (u32 mode = 0; mode <= PMU_OFF; mode++) {
        cpu->pmu.core.mode = (u8)mode;
        if (mode == PMU_FILTERED)
            continue;
        expect_not_written(DENIED | EN);
        expect_not_written(DENIED);
        expect_not_written(ALLOWED | EN);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(single_steps_and_resumes_are_not_for_it),
        TEST(what_may_have_to_be_credited_is_not_for_it),
        TEST(the_value_in_a_list_is_asked_where_there_are_lists),
        TEST(other_exits_are_not_for_it),
        TEST(a_plain_leaf_is_the_processors),
        TEST(a_plain_subleaf_is_the_processors),
        TEST(an_edited_leaf_is_not_for_it),
        TEST(a_sole_guest_sends_what_starts_nobody),
        TEST(an_ipi_that_faults_is_not_sent),
        TEST(one_of_several_guests_sends_to_its_own_cores_only),
        TEST(an_allowed_event_is_counted),
        TEST(the_last_selector_has_its_shadow),
        TEST(one_that_counts_emulated_instructions_is_paid_attention),
        TEST(what_is_no_selector_is_not_for_it),
        TEST(a_selector_that_faults_is_not_written),
        TEST(a_denied_event_is_counted_and_reaches_no_hardware),
        TEST(an_event_that_differs_from_the_noted_one_is_not_for_it),
        TEST(a_denied_value_that_enables_nothing_is_no_denial),
        TEST(what_may_fault_or_be_allowed_elsewhere_is_not_for_it),
        TEST(modes_without_a_filter_are_not_for_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
