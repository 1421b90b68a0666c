/* Which lines are last words, and that they are passed on whole, under the lock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "serial/log.c"
#include "serial/log_format.c"

static char heard[LINE_LENGTH];

void wire_say(char c)
{
    (void)c;
}

void wire_cry(char c)
{
    (void)c;
}

static void hear(const char *line)
{
    assert_true(log_lock.held);
    strcpy(heard, line);
}

static void expect_heard(const char *format, u64 number, const char *text)
{
    heard[0] = 0;
    log_line(format, number);
    assert_string_equal(heard, text);
}

static void last_words(void **state)
{
    (void)state;
    expect_heard("panic: before anybody listens %u", 1, "");
    log_last_words = hear;
    expect_heard("panic: core %u", 3, "panic: core 3");
    expect_heard("panic:   rax %x", 0x1f, "panic:   rax 1f");
    expect_heard("fatal: bank %u", 2, "fatal: bank 2");
    expect_heard("triple fault in the guest on core %u", 1, "triple fault in the guest on core 1");
    expect_heard("guest %u does not panic: why", 1, "");
    expect_heard("panic", 1, "");
    expect_heard("", 1, "");
    log_note("panic: %s", "that an operator has typed is none");
    assert_false(log_lock.held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(last_words)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
