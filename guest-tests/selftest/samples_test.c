#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/samples.c"

static char said[256];

void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(said, sizeof said, format, args);
    va_end(args);
}

static const char *line(const struct measured *m, const int64_t values[SAMPLES], u64 per)
{
    int64_t copy[SAMPLES];

    memcpy(copy, values, sizeof copy);
    samples_say(m, copy, per);
    return said;
}

/* The form that tools/report reads (tools/report_lib/measures.py). */
static void lines(void **state)
{
    static const struct measured three = {"op", "cpuid", "tsc", "ticks/op"},
                                 two = {"skid", "nops", NULL, "instructions"};

    (void)state;
    assert_string_equal(line(&three, (int64_t[]){30, 10, 50, 20, 40}, 1),
                        "measure: op.cpuid.tsc ticks/op 10.00 30.00 50.00");
    assert_string_equal(line(&three, (int64_t[]){4, 100, 6, 5, 5}, 1000),
                        "measure: op.cpuid.tsc ticks/op 0.00 0.01 0.10");
    assert_string_equal(line(&two, (int64_t[]){-1, -250, 7, -4, 0}, 100),
                        "measure: skid.nops instructions -2.50 -0.01 0.07");
    assert_string_equal(line(&two, (int64_t[]){-4, -4, -4, -4, -5}, 1000),
                        "measure: skid.nops instructions -0.01 0.00 0.00");
}

static void median(void **state)
{
    int64_t values[] = {5, 4, 3, 2, 1};

    (void)state;
    assert_int_equal(samples_median(values), 3);
    for (int i = 0; i < SAMPLES; i++)
        assert_int_equal(values[i], i + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(median),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
