/* Whatever a partition can write is reset, or is in a list with the reason why not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"

#define cpuid core_cpuid
static void core_cpuid(u32 leaf, u32 subleaf, u32 out[4]);
#include "guest/core_reset.c"
#include "msr/rows_amd.c"
#include "msr/rows_intel.c"
#include "msr/rows_partition.c"
#include "msr/msr_table.c"

struct hv hv;
struct pmu pmu;

static struct cpu core;
static bool has_xsaves;
static u32 steps, apic_step, pmu_step;

static void core_cpuid(u32 leaf, u32 subleaf, u32 out[4])
{
    assert_int_equal(leaf, 0xd);
    out[0] = subleaf ? (has_xsaves ? 0xf : 1) : 0x2e7;
    out[1] = 0;
    out[2] = 0xff00; /* supervisor state: all that MSRs would reach, and PT and LBR */
    out[3] = 0;
}

void apic_enable_x2apic(void)
{
}

void apic_reset(void)
{
    apic_step = ++steps;
}

void apic_note(struct cpu *cpu)
{
    assert_ptr_equal(cpu, &core);
}

void pmu_restart(struct cpu *cpu)
{
    assert_ptr_equal(cpu, &core);
    pmu_step = ++steps;
}

/* --- every MSR has a place --- */

/* What is not in the table and may be written, or is trapped where a handler may write it. */
static const struct elsewhere {
    u32 first, last;
    const char *why;
} elsewhere[] = {
    {0x01b, 0x01b, "no handler writes it for a partition, and apic_enable_x2apic"},
    {0x03a, 0x03a, "its write is #GP, and no AMD processor has it"},
    {0x040, 0x047, "branch records: pmu_restart"},
    {0x049, 0x049, "a command: nothing is kept"},
    {0x060, 0x067, "branch records: pmu_restart"},
    {0x0c1, 0x0ca, "pmu_restart"},
    {0x10b, 0x10b, "a command"},
    {0x186, 0x18f, "pmu_restart"},
    {0x277, 0x277, "PAT: the VMCB's, the VMCS's; begin_life"},
    {0x309, 0x318, "pmu_restart"},
    {0x345, 0x345, "PERF_CAPABILITIES: read-only, and no AMD processor has it"},
    {0x38d, 0x38d, "pmu_restart"},
    {0x38e, 0x393, "GLOBAL_CTRL: the VMCS's; STATUS: reset_pmu; the others write STATUS"},
    {0x4c1, 0x4ca, "aliases of C1"},
    {0x680, 0x69f, "branch records: pmu_restart"},
    {0x6c0, 0x6df, "branch records: pmu_restart"},
    {0x800, 0x807, "read-only, or reserved"},
    {0x809, 0x80a, "read-only, or reserved"},
    {0x80b, 0x80b, "EOI: a command"},
    {0x80c, 0x80e, "read-only, or reserved"},
    {0x80f, 0x80f, "SVR: apic_reset"},
    {0x810, 0x827, "in service, requested: apic_reset, but where the x2APIC is locked"},
    {0x829, 0x82e, "reserved"},
    {0x830, 0x830, "ICR: apic_reset, but where the x2APIC is locked"},
    {0x831, 0x831, "reserved"},
    {0x839, 0x83d, "read-only, or reserved"},
    {0x83f, 0x83f, "self IPI: a command"},
    {0x840, 0x840, "AMD: read-only"},
    {0x842, 0x842, "AMD: EOI of one vector, a command"},
    {0x843, 0x847, "reserved"},
    {0x854, 0x8ff, "reserved"},
    {0xda0, 0xda0, "XSS: reset_extended_state"},
    {0xdc0, 0xddf, "branch records: pmu_restart"},
    {0x1200, 0x121f, "branch records: pmu_restart"},
    {0x14ce, 0x14cf, "branch records: pmu_restart"},
    {0x1500, 0x151f, "branch records: pmu_restart"},
    {0x1600, 0x161f, "branch records: pmu_restart"},
    {0x1900, 0x19bf, "aliases of C1, 186, 309"},
    {0xc0000080, 0xc0000080, "EFER: the VMCB's, the VMCS's; reset_state"},
    {0xc00000e7, 0xc00000e8, "read-only"},
    {0xc000010e, 0xc000010f, "branch records: the VMCB's; begin_life"},
    {0xc0000300, 0xc0000303, "reset_pmu"},
    {0xc0010000, 0xc0010007, "pmu_restart"},
    {0xc0010114, 0xc0010114, "its write does nothing"},
    {0xc0010200, 0xc001020b, "pmu_restart"},
    {0xc0010300, 0xc001037f, "branch records: likewise"},
    {0xc0011030, 0xc001103f, "samples: pmu_restart"},
};

static bool is_reset(u32 msr)
{
    for (u32 i = 0; i < COUNT(reset_msrs); i++)
        if (msr >= reset_msrs[i].first && msr <= reset_msrs[i].last)
            return true;
    return false;
}

static bool is_elsewhere(u32 msr)
{
    for (u32 i = 0; i < COUNT(elsewhere); i++)
        if (msr >= elsewhere[i].first && msr <= elsewhere[i].last)
            return true;
    return false;
}

static bool can_write(const struct msr_context *cpu, u32 msr)
{
    u8 action = msr_judge(cpu, msr).write;

    return action == MSR_PASS || action == MSR_TRAP;
}

/* Processors that differ in what MSR numbers mean, and partitions that may do most. */
static const struct msr_context contexts[] = {
    {.vendor = CPU_AMD, .family = 0x15, .pmu = PMU_FULL, .granted = ~0U, .partition = true},
    {.vendor = CPU_AMD, .family = 0x16, .pmu = PMU_FILTERED, .partition = true},
    {.vendor = CPU_AMD, .family = 0x1a, .pmu = PMU_FULL, .granted = ~0U, .partition = true},
    {.vendor = CPU_AMD, .family = 0x1a, .pmu = PMU_FILTERED, .partition = true},
    {.vendor = CPU_INTEL, .family = 6, .model = 0x1a, .pmu = PMU_FULL, .partition = true},
    {.vendor = CPU_INTEL, .family = 6, .model = 0x86, .pmu = PMU_FILTERED, .partition = true},
    {.vendor = CPU_INTEL, .family = 6, .model = 0x8f, .granted = ~0U, .partition = true},
    {.vendor = CPU_INTEL, .family = 6, .model = 0x8f, .pmu = PMU_FULL, .partition = true},
    {.vendor = CPU_INTEL, .family = 6, .model = 0xfe, .pmu = PMU_FULL, .partition = true},
};

static bool anybody_writes(u32 msr)
{
    for (u32 i = 0; i < COUNT(contexts); i++)
        if (can_write(&contexts[i], msr))
            return true;
    return false;
}

static const u32 ranges[] = {0, 0x40000000, 0x4b564000, 0xc0000000, 0xc0010000, 0xc0012000};
#define RANGE 0x4000

static void whatever_can_be_written_is_reset(void **state)
{
    u32 written = 0;

    (void)state;
    for (u32 i = 0; i < COUNT(ranges); i++)
        for (u32 msr = ranges[i]; msr < ranges[i] + RANGE; msr++) {
            if (!anybody_writes(msr))
                continue;
            written++;
            if (is_reset(msr) == is_elsewhere(msr))
                fail_msg("%x can be written, and is in %s", msr,
                         is_reset(msr) ? "both" : "neither");
        }
    assert_true(written > 400);
}

/* A line that nobody needs would hide that another is missing. */
static void nothing_else_is_in_the_lists(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(reset_msrs); i++)
        for (u32 msr = reset_msrs[i].first; msr <= reset_msrs[i].last; msr++)
            if (!anybody_writes(msr))
                fail_msg("%x is reset, but cannot be written", msr);
    for (u32 i = 0; i < COUNT(elsewhere); i++) {
        bool needed = false;

        for (u32 msr = elsewhere[i].first; msr <= elsewhere[i].last; msr++)
            needed |= anybody_writes(msr);
        if (!needed)
            fail_msg("%x cannot be written", elsewhere[i].first);
    }
}

/* --- and is written --- */

/* Of the fake machine's few MSRs: a chosen one for each run. */
static u64 left_in(u32 msr)
{
    fake.msrs = 0;
    fake_msr(IA32_X2APIC_VERSION, X2APIC_HAS_EXTENDED, 0);
    fake_msr(msr, 0x5555555555555555, ~0ULL);
    core_reset(&core);
    return rdmsr(msr);
}

static int set_up(void **state)
{
    (void)state;
    hv = (struct hv){.intel = true, .host_cr4 = CR4_OSXSAVE};
    memset(&pmu, 0, sizeof(pmu));
    has_xsaves = true;
    steps = 0;
    memset(&fake, 0, sizeof(fake));
    fake_msr(IA32_X2APIC_VERSION, 0x50014, 0);
    memset(&fake_restored, 0, sizeof(fake_restored));
    fake_xcr0_valid = 0x2e7;
    return 0;
}

static void each_is_written(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(reset_msrs); i++)
        for (u32 msr = reset_msrs[i].first; msr <= reset_msrs[i].last; msr++)
            assert_int_equal(left_in(msr), reset_msrs[i].value);
    assert_int_equal(left_in(IA32_XSS), 0);
    assert_int_equal(left_in(0x10), 0x5555555555555555);
}

/* SDM table 11-1, 11.5.1; APM 16.3.3, table 16-2 (extended registers). */
static void local_vectors_are_masked(void **state)
{
    static const u32 lvt[] = {0x82f, 0x832, 0x833, 0x834, 0x837, 0x850, 0x851, 0x852, 0x853};

    (void)state;
    for (u32 i = 0; i < COUNT(lvt); i++)
        assert_int_equal(left_in(lvt[i]), 0x10000);
    assert_int_equal(left_in(0x848), 0xffffffff);
    assert_int_equal(left_in(0x808), 0);
    assert_int_equal(left_in(0x838), 0);
}

/* Whose mere access some APICs hold against the guest. */
static void what_the_apic_has_not_is_not_touched(void **state)
{
    (void)state;
    for (u32 msr = 0x848; msr <= 0x853; msr++) {
        fake_msr(msr, 0x5555, ~0ULL);
        core_reset(&core);
        assert_int_equal(rdmsr(msr), 0x5555);
    }
    hv.intel = false;
    assert_int_equal(left_in(0x82f), 0x5555555555555555);
    assert_int_equal(left_in(0x850), 0x10000);
}

static void status_is_cleared_by_what_it_says(void **state)
{
    (void)state;
    fake_msr(IA32_PERF_GLOBAL_STATUS, 0x700000003, 0);
    fake_msr(IA32_PERF_GLOBAL_STATUS_RESET, 0, 0x70000000f); /* other bits are reserved */
    core_reset(&core);
    assert_int_equal(rdmsr(IA32_PERF_GLOBAL_STATUS_RESET), 0x700000003);
    set_up(NULL);
    hv.intel = false;
    pmu.amd.perfmon_v2 = true;
    pmu.amd.counters = 6;
    fake_msr(MSR_PERF_GLOBAL_STATUS, 5, 0);
    fake_msr(MSR_PERF_GLOBAL_STATUS_CLR, 0, 0x3f);
    fake_msr(MSR_PERF_GLOBAL_CTL, 1, 0x3f);
    core_reset(&core);
    assert_int_equal(rdmsr(MSR_PERF_GLOBAL_STATUS_CLR), 5);
    assert_int_equal(rdmsr(MSR_PERF_GLOBAL_CTL), 0x3f);
    pmu.amd.perfmon_v2 = false;
    fake.msr[fake_msr_index(MSR_PERF_GLOBAL_CTL)].value = 1;
    core_reset(&core);
    assert_int_equal(rdmsr(MSR_PERF_GLOBAL_CTL), 1);
}

/* The APIC first, which may be able to forget all by itself; XFD before XRSTOR. */
static void in_this_order(void **state)
{
    (void)state;
    core.sipi = 0x110;
    core.init_sent = true;
    core_reset(&core);
    assert_true(!core.sipi && !core.init_sent);
    assert_int_equal(apic_step, 1);
    assert_int_equal(pmu_step, 2);
}

/* XCR0 has all user state, XSS no more than is the core's own, the header says that all components
 * are as at first; and XCR0 ends as after a RESET. */
static void extended_state_is_all_initial(void **state)
{
    (void)state;
    fake_msr(IA32_XSS, ~0ULL, ~0ULL);
    core_reset(&core);
    assert_int_equal(fake_restored.count, 1);
    assert_true(fake_restored.supervisor);
    assert_int_equal(fake_restored.xcr0, 0x2e7);
    assert_int_equal(fake_restored.xss, 0x5c00);
    assert_int_equal(fake_restored.area[64], 0);
    assert_int_equal(fake_restored.area[65], BIT(63));
    assert_int_equal(fake_restored.fninits, 1);
    assert_int_equal(fake_restored.mxcsr, 0x1f80);
    assert_int_equal(fake_xcr0, 1);
}

static void without_xsaves_the_format_is_the_old_one(void **state)
{
    (void)state;
    has_xsaves = false;
    initial[XCOMP_BV] = 0;
    core_reset(&core);
    assert_int_equal(fake_restored.count, 1);
    assert_false(fake_restored.supervisor);
    assert_int_equal(fake_restored.area[0], 0x37f);
    assert_int_equal((u32)fake_restored.area[3], 0x1f80);
    for (u32 i = 64; i < 72; i++)
        assert_int_equal(fake_restored.area[i], 0);
    hv.host_cr4 = 0; /* no XSAVE at all */
    core_reset(&core);
    assert_int_equal(fake_restored.count, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(whatever_can_be_written_is_reset),
        TEST(nothing_else_is_in_the_lists),
        TEST(each_is_written),
        TEST(local_vectors_are_masked),
        TEST(what_the_apic_has_not_is_not_touched),
        TEST(status_is_cleared_by_what_it_says),
        TEST(in_this_order),
        TEST(extended_state_is_all_initial),
        TEST(without_xsaves_the_format_is_the_old_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
