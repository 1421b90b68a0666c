/* The fast path: what it does is what the slow way would, and where it declines nothing has changed
 * for that one to find. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"

static bool write_halves(u32 msr, u32 low, u32 high);
#define wrmsr_halves_safe write_halves
#include "svm/fast.c"

#define HIGH_NOISE 0xdeadbeef00000000ULL

#define CPUID_PLAIN  0U /* vendor and largest leaf */
#define CPUID_EDITED 1U

#define ALLOWED  0xc2   /* retired branches: nothing emulated is one */
#define CREDITED 0xc0   /* retired instructions */
#define CYCLES   0x76   /* core cycles */
#define DENIED   0x4041 /* event 41H, umask 40H */
#define SELECTOR 0xc0010204U
#define EN       (1U << 22)

struct hv hv;
struct pmu pmu;

static struct filter filter;
static u8 *block, before[CPU_BLOCK_SIZE];
static struct cpu *cpu;
static struct vmcb *vmcb;
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

static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake_msr(IA32_X2APIC_ICR, 0, MASK(63, 32) | 0xcffff);
    fake_msr(SELECTOR, 0, ~0ULL);
    fake_msr(MSR_PERF_CTL + 10, 0, ~0ULL);
    block = aligned_alloc(CPU_BLOCK_SIZE, CPU_BLOCK_SIZE);
    memset(block, 0, CPU_BLOCK_SIZE);
    cpu = (struct cpu *)(block + CPU_STACK_TOP);
    vmcb = cpu_vmcb(cpu);
    memset(&filter, 0, sizeof(filter));
    filter.event_high = 0xf;
    filter.refused_low = (u32)(EVTSEL_INV | BIT(21) | BIT(19));
    filter.refused_high = ~0U << 4 & ~3U << 8;
    allow(ALLOWED);
    allow(CREDITED);
    allow(CYCLES);
    cpu->pmu.core.filter = &filter;
    cpu->pmu.core.mode = PMU_FILTERED;
    hv = (struct hv){.icr_judged = ICR_JUDGE_STARTUP};
    pmu = (struct pmu){0};
    writes = 0;
    vmcb->rip = 0x100;
    vmcb->rflags = RFLAGS_FIXED;
    vmcb->int_shadow = 1;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(block);
    return 0;
}

static void expect_nothing_else_done(void)
{
    memcpy(before, block, sizeof(before));
    writes = 0;
    assert_false(svm_fast_exit(cpu));
    assert_memory_equal(block, before, sizeof(before));
    assert_int_equal(writes, 0);
}

/* RIP behind the instruction, which also ends an interrupt shadow (APM 15.21.5). */
static void expect_done(u64 rip)
{
    vmcb->int_shadow = 1;
    assert_true(svm_fast_exit(cpu));
    assert_int_equal(vmcb->rip, rip);
    assert_int_equal(vmcb->int_shadow, 0);
    assert_int_equal(vmcb->event_inj, 0);
}

static void executes_cpuid(u32 leaf, u32 subleaf)
{
    vmcb->exit_code = VMEXIT_CPUID;
    vmcb->rax = HIGH_NOISE | leaf;
    cpu->regs[RBX] = cpu->regs[RDX] = ~0ULL;
    cpu->regs[RCX] = HIGH_NOISE | subleaf;
}

static void writes_msr(u32 msr, u64 value)
{
    vmcb->exit_code = VMEXIT_MSR;
    vmcb->exit_info1 = 1;
    vmcb->rax = HIGH_NOISE | (u32)value;
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
        vmcb->rflags = RFLAGS_FIXED | BIT(8); /* TF */
        expect_nothing_else_done();
        vmcb->rflags = RFLAGS_FIXED | BIT(16); /* RF */
        expect_nothing_else_done();
        vmcb->rflags = ~(BIT(8) | BIT(16)); /* any other */
        assert_true(svm_fast_exit(cpu));
    }
}

/* An emulated instruction is credited to counters that count it: while they do. */
static void what_may_have_to_be_credited_is_not_for_it(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(usual); i++) {
        pmu.amd.perfmon_v2 = false; /* there is no global control to ask */
        cpu->pmu.core.attention = 4;
        usual[i]();
        expect_nothing_else_done();
        cpu->pmu.core.attention = 0;
        assert_true(svm_fast_exit(cpu));
        pmu.amd.perfmon_v2 = true;
        usual[i]();
        assert_true(svm_fast_exit(cpu)); /* asks nobody */
    }
}

static void global_control_that_stops_all_counters_credits_nobody(void **state)
{
    (void)state;
    fake_msr(MSR_PERF_GLOBAL_CTL, 0, 0x3f);
    pmu.amd.perfmon_v2 = true;
    for (u32 i = 0; i < COUNT(usual); i++) {
        cpu->pmu.core.attention = 4;
        wrmsr(MSR_PERF_GLOBAL_CTL, 1); /* others', maybe: the slow way looks */
        usual[i]();
        expect_nothing_else_done();
        wrmsr(MSR_PERF_GLOBAL_CTL, 0);
        assert_true(svm_fast_exit(cpu));
    }
}

static void other_exits_are_not_for_it(void **state)
{
    (void)state;
    for (u64 code = 0; code <= 0x404; code++) {
        if (code == VMEXIT_CPUID || code == VMEXIT_MSR)
            continue;
        for (u32 info = 0; info < 2; info++) {
            writes_msr(IA32_X2APIC_ICR, 0x40);
            vmcb->exit_code = code;
            vmcb->exit_info1 = info;
            expect_nothing_else_done();
            writes_msr(SELECTOR, ALLOWED | EN);
            vmcb->exit_code = code;
            vmcb->exit_info1 = info;
            expect_nothing_else_done();
        }
    }
    vmcb->exit_code = (u64)VMEXIT_INVALID;
    expect_nothing_else_done();
}

static void reads_of_msrs_are_not_for_it(void **state)
{
    static const u32 msrs[] = {IA32_X2APIC_ICR, SELECTOR, IA32_EFER};

    (void)state;
    for (u32 i = 0; i < COUNT(msrs); i++) {
        writes_msr(msrs[i], 0);
        vmcb->exit_info1 = 0;
        expect_nothing_else_done();
    }
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
    assert_int_equal(vmcb->rax, a);
    assert_int_equal(cpu->regs[RBX], b);
    assert_int_equal(cpu->regs[RCX], c);
    assert_int_equal(cpu->regs[RDX], d);
    assert_int_equal(cpu->exits[EXIT_CPUID], 1);
    vmcb->nrip = 0x305; /* with prefixes */
    executes_cpuid(CPUID_PLAIN, 0);
    expect_done(0x305);
    assert_int_equal(cpu->exits[EXIT_CPUID], 2);
}

static void an_edited_leaf_is_not_for_it(void **state)
{
    static const u32 leaves[] = {CPUID_EDITED, 7, 0xd, 0x40000000, 0x80000001, 0x80000022};

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
    vmcb->rip = rip;
}

#include "fake/fast_icr_check.h"

/* --- event selectors ----------------------------------------------------------------------------
 */

static void expect_written(u64 value, u64 hardware)
{
    u64 count = cpu->exits[EXIT_PMU_WRITE];

    wrmsr(SELECTOR, 0x5a5a);
    cpu->pmu.amd.shadow[2] = 0x5a5a;
    vmcb->rip = 0x100;
    writes_msr(SELECTOR, value);
    expect_done(0x102);
    assert_int_equal(rdmsr(SELECTOR), hardware);
    assert_int_equal(cpu->pmu.amd.shadow[2], value);
    assert_int_equal(cpu->exits[EXIT_PMU_WRITE], count + 1);
}

static void expect_not_written(u64 value)
{
    writes_msr(SELECTOR, value);
    expect_nothing_else_done();
}

/* Whatever the guest asked for: GuestOnly set, HostOnly clear (APM 13.2.1). */
static void an_allowed_event_counts_the_guest_only(void **state)
{
    (void)state;
    expect_written(ALLOWED | EN | 3 << 16, BIT(40) | ALLOWED | EN | 3 << 16);
    expect_written(BIT(41) | ALLOWED | EN, BIT(40) | ALLOWED | EN);
    expect_written(BIT(41) | BIT(40) | ALLOWED, BIT(40) | ALLOWED);
    assert_int_equal(cpu->pmu.core.attention, 0);
    assert_int_equal(cpu->pmu.amd.shadow[1] | cpu->pmu.amd.shadow[3], 0);
    assert_int_equal(cpu->exits[EXIT_PMU_WRITE], 3);
}

static void the_last_selector_has_its_shadow(void **state)
{
    (void)state;
    writes_msr(MSR_PERF_CTL + 10, ALLOWED | EN);
    expect_done(0x102);
    assert_int_equal(cpu->pmu.amd.shadow[5], ALLOWED | EN);
    assert_int_equal(rdmsr(MSR_PERF_CTL + 10), BIT(40) | ALLOWED | EN);
}

static void one_that_counts_emulated_instructions_is_paid_attention(void **state)
{
    static const u32 events[] = {CREDITED, CYCLES};

    (void)state;
    for (u32 i = 0; i < COUNT(events); i++) {
        cpu->pmu.core.attention = 0;
        expect_written(events[i], BIT(40) | events[i]); /* not enabled */
        assert_int_equal(cpu->pmu.core.attention, 0);
        expect_written(events[i] | EN, BIT(40) | events[i] | EN);
        assert_true(cpu->pmu.core.attention & BIT(2));
    }
}

/* Others that policies deny: slow. */
static void what_is_no_selector_is_not_for_it(void **state)
{
    static const u32 msrs[] = {
        MSR_PERF_CTL - 2,    MSR_PERF_CTL + 5, MSR_PERF_CTL + 12,   MSR_PERF_LEGACY_CTL,
        MSR_PERF_GLOBAL_CTL, IA32_EFER,        IA32_X2APIC_ICR + 1, 0};
    static const u64 values[] = {ALLOWED | EN, ALLOWED, DENIED | EN, DENIED};

    (void)state;
    for (u32 i = 0; i < COUNT(msrs); i++)
        for (u32 j = 0; j < COUNT(values); j++) {
            fake.msrs = 2;
            fake_msr(msrs[i], 0, ~0ULL);
            writes_msr(msrs[i], values[j]);
            expect_nothing_else_done();
        }
}

/* Where the processor lacks it. The slow way raises #GP. */
static void expect_fault(u64 value)
{
    u64 rip = vmcb->rip;

    writes_msr(SELECTOR, value);
    assert_false(svm_fast_exit(cpu));
    assert_int_equal(vmcb->rip, rip);
    assert_int_equal(vmcb->int_shadow, 1);
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
    static const u64 values[] = {DENIED | EN, 2ULL << 32 | DENIED | EN, BIT(63) | ALLOWED | EN,
                                 BIT(21) | ALLOWED | EN};

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
    (void)state;
    note(DENIED | EN);
    expect_not_written(DENIED | EN | 1 << 16);
    expect_not_written(BIT(32) | DENIED | EN);
}

/* Merge events count without EN: their upper bits are not 0 (APM 13.2.1). */
static void a_denied_value_that_enables_nothing_is_no_denial(void **state)
{
    (void)state;
    expect_written(DENIED, 0);
    expect_written(0, 0);
    expect_written(EVTSEL_INV | 0x1700ff, 0);
    assert_int_equal(denial_home(&cpu->pmu.core.denials, DENIED)->count, 0);
    expect_not_written(0xf000000ff); /* merge */
    expect_not_written(BIT(32) | DENIED);
    expect_not_written(BIT(63) | DENIED);
    expect_not_written(BIT(19) | DENIED); /* it may fault, or be kept */
    expect_not_written(BIT(21) | DENIED);
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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(single_steps_and_resumes_are_not_for_it),
        TEST(what_may_have_to_be_credited_is_not_for_it),
        TEST(global_control_that_stops_all_counters_credits_nobody),
        TEST(other_exits_are_not_for_it),
        TEST(reads_of_msrs_are_not_for_it),
        TEST(a_plain_leaf_is_the_processors),
        TEST(an_edited_leaf_is_not_for_it),
        TEST(a_sole_guest_sends_what_starts_nobody),
        TEST(an_ipi_that_faults_is_not_sent),
        TEST(one_of_several_guests_sends_to_its_own_cores_only),
        TEST(an_allowed_event_counts_the_guest_only),
        TEST(the_last_selector_has_its_shadow),
        TEST(one_that_counts_emulated_instructions_is_paid_attention),
        TEST(what_is_no_selector_is_not_for_it),
        TEST(a_selector_that_faults_is_not_written),
        TEST(a_denied_event_is_counted_and_reaches_no_hardware),
        TEST(an_event_that_differs_from_the_noted_one_is_not_for_it),
        TEST(a_denied_value_that_enables_nothing_is_no_denial),
        TEST(modes_without_a_filter_are_not_for_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
