#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "ports/sleep.c"

#define SLEEP(type) ((type) << 10 | 1U << 13)

static const struct boot_sleep q35 = {.pm1a_cnt = 0x604, .s5_known = 1, .s5_typ_a = 0, .s3_typ = 1};
static const struct boot_sleep two = {
    .pm1a_cnt = 0x404, .pm1b_cnt = 0x504, .s5_known = 1, .s5_typ_a = 7, .s5_typ_b = 6, .s3_typ = 5};

static void soft_off_passes(void **state)
{
    (void)state;
    assert_false(io_sleeps(&q35, 0x604, 2, SLEEP(0) | 1));
    assert_false(io_sleeps(&two, 0x404, 2, SLEEP(7)));
    assert_false(io_sleeps(&two, 0x504, 2, SLEEP(6)));
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
        cmocka_unit_test(suspend_is_refused_in_any_width),
        cmocka_unit_test(without_the_enable_bit_nothing_sleeps),
        cmocka_unit_test(unknown_soft_off_refuses_only_s3),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
