/* What is stopped and emptied of Intel's branch records, on processors that have one kind of them,
 * and none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "pmu/lbr_intel.c"

enum { NUMBERS = 0x2000, JUNK = 0x7777 };

static bool there[NUMBERS];
static u64 value[NUMBERS];
static u64 depth_written;

static bool fake_rdmsr(u32 msr, u64 *out)
{
    assert_true(msr < NUMBERS);
    *out = value[msr];
    return there[msr];
}

static bool fake_wrmsr(u32 msr, u64 written)
{
    assert_true(msr < NUMBERS);
    if (!there[msr])
        return false;
    if (msr == IA32_LBR_DEPTH)
        depth_written = written;
    else
        value[msr] = written;
    return true;
}

static const struct pmu_access access = {NULL, fake_rdmsr, fake_wrmsr};

static void has(u32 first, u32 count, u64 with)
{
    for (u32 i = 0; i < count; i++) {
        there[first + i] = true;
        value[first + i] = with;
    }
}

static void has_debugctl(void)
{
    memset(there, 0, sizeof(there));
    depth_written = 0;
    has(IA32_DEBUGCTL, 1, 0x1803);
}

static bool all_zero(u32 first, u32 count)
{
    for (u32 i = 0; i < count; i++)
        if (value[first + i])
            return false;
    return true;
}

static void has_ice_lake(u32 format)
{
    has_debugctl();
    has(IA32_PERF_CAPABILITIES, 1, 0x3000 | format);
    has(0x1c8, 2, JUNK);
    has(0x680, 32, JUNK);
    has(0x6c0, 32, JUNK);
    has(0xdc0, 32, JUNK);
}

/* MSR_LBR_INFO has its numbers only where the format says so. */
static void an_older_stack_is_emptied(void **state)
{
    (void)state;
    for (u32 format = 0; format < 0x40; format++) {
        bool info = format == 5 || format == 7;

        has_ice_lake(format);
        lbr_intel_clear(&access);
        assert_true(all_zero(0x1c8, 2));
        assert_true(all_zero(0x680, 32));
        assert_true(all_zero(0x6c0, 32));
        assert_int_equal(all_zero(0xdc0, 32), info);
        assert_int_equal(value[0xdc0] == JUNK, !info);
        assert_int_equal(value[IA32_DEBUGCTL], 0x1803);
    }
}

static void a_shallow_stack_is_emptied(void **state)
{
    (void)state;
    has_debugctl();
    has(0x1c8, 2, JUNK);
    has(0x40, 8, JUNK);
    has(0x60, 8, JUNK);
    has(0x48, 2, JUNK); /* SPEC_CTRL is no part of it */
    lbr_intel_clear(&access);
    assert_true(all_zero(0x40, 8));
    assert_true(all_zero(0x60, 8));
    assert_int_equal(value[0x48], JUNK);
}

/* A write of the depth empties it; the depth stays what it was. */
static void an_architectural_stack_is_emptied(void **state)
{
    (void)state;
    has_debugctl();
    has(IA32_LBR_CTL, 1, 0x7f0007);
    has(IA32_LBR_DEPTH, 1, 16);
    has(0xdc0, 32, JUNK);
    lbr_intel_clear(&access);
    assert_int_equal(value[IA32_LBR_CTL], 0);
    assert_int_equal(depth_written, 16);
    assert_int_equal(value[0xdc0], JUNK);
}

/* XRSTORS would load the control register. */
static void xrstors_brings_nothing_back(void **state)
{
    (void)state;
    has_debugctl();
    has(IA32_XSS, 1, BIT(15) | BIT(11));
    lbr_intel_clear(&access);
    assert_int_equal(value[IA32_XSS], BIT(11));
}

static void what_firmware_records_is_stopped_first(void **state)
{
    (void)state;
    has_ice_lake(5);
    lbr_intel_stop(&access);
    assert_int_equal(value[IA32_DEBUGCTL], 0x1802);
    assert_true(all_zero(0x680, 32));
    memset(there, 0, sizeof(there));
    lbr_intel_stop(&access); /* a processor without any of it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_older_stack_is_emptied),
        cmocka_unit_test(a_shallow_stack_is_emptied),
        cmocka_unit_test(an_architectural_stack_is_emptied),
        cmocka_unit_test(xrstors_brings_nothing_back),
        cmocka_unit_test(what_firmware_records_is_stopped_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
