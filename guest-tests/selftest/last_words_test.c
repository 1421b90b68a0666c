#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "selftest/last_words.c"

static _Alignas(64) u8 step_memory[4096], cede_memory[sizeof(struct kept) + KEPT_TEXT + 4096];
static struct kept *step = (struct kept *)step_memory, *cede = (struct kept *)cede_memory;

static int begin(void **state)
{
    (void)state;
    memset(step_memory, 0, sizeof step_memory);
    memset(cede_memory, 0, sizeof cede_memory);
    kept_begin(step, 0, KEPT_STEP, sizeof step_memory - sizeof *step, 1);
    kept_begin(cede, 0, KEPT_CEDE, sizeof cede_memory - sizeof *cede, 1);
    return 0;
}

static void cede_says(const char *text)
{
    memcpy(cede->payload, text, strlen(text));
    cede->used = (u32)strlen(text);
}

static void as_on_the_console(void **state)
{
    (void)state;
    kept_put(step, "test: a ok\n");
    cede_says("panic: core 1: exception 6\npanic:   rax 0\n");
    last_words_add(step, cede);
    assert_string_equal((char *)step->payload,
                        "test: a ok\ncede: panic: core 1: exception 6\ncede: panic:   rax 0\n");
}

static void lines_cut_off(void **state)
{
    (void)state;
    kept_put(step, "test: a is not");
    cede_says("panic: one\npan");
    last_words_add(step, cede);
    assert_string_equal((char *)step->payload, "test: a is not\ncede: panic: one\ncede: pan\n");
}

static void nothing_said(void **state)
{
    (void)state;
    kept_put(step, "test: a is not");
    last_words_add(step, cede);
    assert_string_equal((char *)step->payload, "test: a is not");
}

/* Behind the text there may be rings of exits; and who was here since may have left anything. */
static void only_text_is_read(void **state)
{
    (void)state;
    memset(cede->payload, 'x', cede->size);
    cede->used = ~0U;
    last_words_add(step, cede);
    assert_int_equal(kept_used(step), sizeof "cede: \n" - 1 + KEPT_LINE - 1);
    memset(cede->payload, '\n', KEPT_TEXT);
    step->used = 0;
    last_words_add(step, cede);
    assert_int_equal(kept_used(step), step->size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(as_on_the_console, begin),
        cmocka_unit_test_setup(lines_cut_off, begin),
        cmocka_unit_test_setup(nothing_said, begin),
        cmocka_unit_test_setup(only_text_is_read, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
