/* Which cores an INIT or SIPI reaches, in every addressing mode. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "apic/icr.c"

static struct cpu cores[4] = {
    {.apic_id = 0, .xapic_ldr = 0x01000000, .xapic_dfr = 0xffffffff},
    {.apic_id = 1, .xapic_ldr = 0x02000000, .xapic_dfr = 0xffffffff},
    {.apic_id = 0x12, .xapic_ldr = 0x12000000, .xapic_dfr = 0x0fffffff},
    {.apic_id = 0x105},
};

/* Bit i set: core i is addressed by core 1. */
static u32 reached(u32 low, u32 destination, bool x2apic)
{
    u32 set = 0;

    for (u32 i = 0; i < COUNT(cores); i++)
        if (icr_addresses(&cores[1], &cores[i], low, destination, x2apic))
            set |= 1U << i;
    return set;
}

static void shorthands(void **state)
{
    (void)state;
    assert_int_equal(reached(SHORTHAND_SELF << 18, 0, false), 1 << 1);
    assert_int_equal(reached(SHORTHAND_ALL << 18, 0, false), 0xf);
    assert_int_equal(reached(SHORTHAND_OTHERS << 18, 7, true), 0xd);
}

static void physical(void **state)
{
    (void)state;
    assert_int_equal(reached(0, 0x12, false), 1 << 2);
    assert_int_equal(reached(0, 0xff, false), 0xf);
    assert_int_equal(reached(0, 0xff, true), 0);
    assert_int_equal(reached(0, 0x105, true), 1 << 3);
    assert_int_equal(reached(0, 0xffffffff, true), 0xf);
}

static void logical_x2apic(void **state)
{
    (void)state;
    assert_int_equal(reached(ICR_LOGICAL, 0x00000003, true), 3);
    assert_int_equal(reached(ICR_LOGICAL, 0x00010004, true), 1 << 2);
    assert_int_equal(reached(ICR_LOGICAL, 0x00100020, true), 1 << 3);
    assert_int_equal(reached(ICR_LOGICAL, 0x00100010, true), 0);
}

static void logical_xapic(void **state)
{
    (void)state;
    assert_int_equal(reached(ICR_LOGICAL, 0x03, false), 3);
    assert_int_equal(reached(ICR_LOGICAL, 0x12, false), 1 << 1 | 1 << 2);
    assert_int_equal(reached(ICR_LOGICAL, 0xff, false), 0xf);
    assert_int_equal(reached(ICR_LOGICAL, 0x20, false), 0);
}

static void only_init_and_sipi_are_startup(void **state)
{
    (void)state;
    for (u32 mode = 0; mode < 8; mode++)
        assert_int_equal(icr_is_startup(mode << 8 | 0xc08ff), mode == 5 || mode == 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shorthands),
        cmocka_unit_test(physical),
        cmocka_unit_test(logical_x2apic),
        cmocka_unit_test(logical_xapic),
        cmocka_unit_test(only_init_and_sipi_are_startup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
