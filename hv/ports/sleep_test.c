#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "ports/sleep.c"

#define SLEEP(type) ((type) << 10 | 1U << 13)

static const struct boot_sleep q35 = {
    .pm1a_cnt = 0x604, .s5_known = 1, .s5_typ_a = 0, .s4_typ_a = 2, .s4_typ_b = 2, .s3_typ = 1};
static const struct boot_sleep two = {.pm1a_cnt = 0x404,
                                      .pm1b_cnt = 0x504,
                                      .s5_known = 1,
                                      .s5_typ_a = 7,
                                      .s5_typ_b = 6,
                                      .s4_typ_a = 6,
                                      .s4_typ_b = 4,
                                      .s3_typ = 5};

static void soft_off_passes(void **state)
{
    (void)state;
    assert_false(io_sleeps(&q35, 0x604, 2, SLEEP(0) | 1));
    assert_false(io_sleeps(&two, 0x404, 2, SLEEP(7)));
    assert_false(io_sleeps(&two, 0x504, 2, SLEEP(6)));
}

static void hibernation_passes_in_any_width(void **state)
{
    (void)state;
    assert_false(io_sleeps(&q35, 0x604, 2, SLEEP(2)));
    assert_false(io_sleeps(&q35, 0x604, 4, SLEEP(2) | 1));
    assert_false(io_sleeps(&q35, 0x605, 1, SLEEP(2) >> 8));
    assert_false(io_sleeps(&q35, 0x602, 4, SLEEP(2) << 16));
    assert_false(io_sleeps(&two, 0x404, 2, SLEEP(6)));
    assert_false(io_sleeps(&two, 0x504, 2, SLEEP(4)));
}

/* Each control block has its own type: the other's means something else there. */
static void hibernation_of_the_other_block_is_refused(void **state)
{
    (void)state;
    assert_true(io_sleeps(&two, 0x404, 2, SLEEP(4)));
    assert_false(io_sleeps(&two, 0x504, 1, SLEEP(7) & 0xff)); /* SLP_EN is in the other byte */
    assert_true(io_sleeps(&two, 0x505, 1, SLEEP(7) >> 8));
}

static void where_nothing_hibernates_nothing_but_off_passes(void **state)
{
    struct boot_sleep none = q35, same = q35, as_off = q35;

    (void)state;
    none.s4_typ_a = none.s4_typ_b = none.s3_typ = 0xff;
    same.s4_typ_a = same.s4_typ_b = same.s3_typ;
    as_off.s4_typ_a = as_off.s4_typ_b = as_off.s5_typ_a;
    for (u32 type = 0; type < 8; type++) {
        assert_int_equal(io_sleeps(&none, 0x604, 2, SLEEP(type)), type != 0);
        assert_int_equal(io_sleeps(&same, 0x604, 2, SLEEP(type)), type != 0);
        assert_int_equal(io_sleeps(&as_off, 0x604, 2, SLEEP(type)), type != 0);
        assert_int_equal(io_sleeps(&q35, 0x604, 2, SLEEP(type)), type != 0 && type != 2);
    }
}

static void suspend_is_refused_in_any_width(void **state)
{
    (void)state;
    assert_true(io_sleeps(&q35, 0x604, 2, SLEEP(1)));
    assert_true(io_sleeps(&q35, 0x604, 4, SLEEP(1)));
    assert_true(io_sleeps(&q35, 0x605, 1, SLEEP(1) >> 8));
    assert_true(io_sleeps(&q35, 0x602, 4, SLEEP(1) << 16));
    assert_true(io_sleeps(&q35, 0x603, 4, SLEEP(1) << 8));
    assert_true(io_sleeps(&two, 0x504, 2, SLEEP(7)));
    assert_true(io_sleeps(&two, 0x404, 2, SLEEP(1)));
}

static void without_the_enable_bit_nothing_sleeps(void **state)
{
    (void)state;
    assert_false(io_sleeps(&q35, 0x604, 2, 1U << 10));
    assert_false(io_sleeps(&q35, 0x604, 1, 0xff));
    assert_false(io_sleeps(&q35, 0x606, 2, 0xffff));
}

static void unknown_soft_off_refuses_only_s3(void **state)
{
    (void)state;
    struct boot_sleep unknown = q35;

    unknown.s5_known = 0;
    assert_true(io_sleeps(&unknown, 0x604, 2, SLEEP(1)));
    assert_false(io_sleeps(&unknown, 0x604, 2, SLEEP(5)));
    unknown.s3_typ = 0xff;
    assert_false(io_sleeps(&unknown, 0x604, 2, SLEEP(1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(soft_off_passes),
        cmocka_unit_test(hibernation_passes_in_any_width),
        cmocka_unit_test(hibernation_of_the_other_block_is_refused),
        cmocka_unit_test(where_nothing_hibernates_nothing_but_off_passes),
        cmocka_unit_test(suspend_is_refused_in_any_width),
        cmocka_unit_test(without_the_enable_bit_nothing_sleeps),
        cmocka_unit_test(unknown_soft_off_refuses_only_s3),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
