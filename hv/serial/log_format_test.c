#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "serial/log_format.c"

static u32 format(char *out, u32 size, const char *text, ...)
{
    va_list args;
    u32 length;

    va_start(args, text);
    length = log_format(out, size, text, args);
    va_end(args);
    return length;
}

static void conversions(void **state)
{
    (void)state;
    char out[80];

    format(out, sizeof(out), "core %u %s %x %c 100%%", (u64)12, "at", (u64)0xfee00000, 'z');
    assert_string_equal(out, "core 12 at fee00000 z 100%");
    format(out, sizeof(out), "%u %x", (u64)0, ~(u64)0);
    assert_string_equal(out, "0 ffffffffffffffff");
}

static void long_lines_are_cut(void **state)
{
    (void)state;
    char out[8];

    assert_int_equal(format(out, sizeof(out), "%s", "0123456789"), 7);
    assert_string_equal(out, "0123456");
}

static void a_lone_percent_ends_the_text(void **state)
{
    (void)state;
    char out[8];

    format(out, sizeof(out), "a%");
    assert_string_equal(out, "a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversions),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(a_lone_percent_ends_the_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
