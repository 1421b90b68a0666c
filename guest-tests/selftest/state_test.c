#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "selftest/buffer.c"
#include "selftest/state.c"
#include "uefi/text.c"

static char text[STATE_SIZE];
static struct state read;

static void there_and_back(const struct state *state)
{
    state_format(state, text);
    assert_int_equal(strnlen(text, STATE_SIZE), STATE_SIZE);
    assert_true(state_parse(text, STATE_SIZE, &read));
    assert_string_equal(read.report, state->report);
    assert_string_equal(read.verdicts, state->verdicts);
    assert_int_equal(read.started, state->started);
    assert_int_equal(read.finished, state->finished);
    assert_int_equal(read.cut, state->cut);
}

static void round_trips(void **unused)
{
    struct state state = {.report = "report-20261129-165441"};

    (void)unused;
    there_and_back(&state);
    state.started = true;
    there_and_back(&state);
    state_end_step(&state, VERDICT_OK);
    assert_false(state.started);
    there_and_back(&state);
    state.finished = true;
    there_and_back(&state);
    state.cut = true;
    there_and_back(&state);
}

/* The longest of all: it fits, and no step more is written down than there is room for. */
static void full(void **unused)
{
    struct state state = {.report = "report-20261129-165441", .started = true};

    (void)unused;
    for (u32 i = 0; i < STATE_STEPS + 5; i++)
        state_end_step(&state, i % 2 ? VERDICT_OK : VERDICT_LOST);
    assert_int_equal(state_step(&state), STATE_STEPS);
    there_and_back(&state);
    assert_int_equal(state_count(&read, VERDICT_OK), STATE_STEPS / 2);
    assert_int_equal(state_count(&read, VERDICT_FAILED), 0);
}

/* A write that power ended, anywhere, is no state. */
static void torn(void **unused)
{
    struct state state = {.report = "report-20261129-165441", .verdicts = "oofl"};

    (void)unused;
    state_format(&state, text);
    size_t whole = (size_t)(strstr(text, "end\n") - text) + 4;
    assert_true(state_parse(text, whole, &read));
    for (size_t size = 0; size < whole; size++) {
        char *copy = malloc(size + 1);
        memcpy(copy, text, size);
        assert_false(state_parse(copy, size, &read));
        assert_int_equal(state_step(&read), 0);
        free(copy);
    }
}

static void foreign(void **unused)
{
    static const char *const texts[] = {
        "",
        "\n\n\n",
        HEAD "r\nverdicts oxo\nbetween\nwhole\nend\n",
        HEAD "\nverdicts o\nbetween\nwhole\nend\n",
        HEAD "012345678901234567890123456789\nverdicts "
             "o\n"
             "between\nwhole\nend\n",
    };

    (void)unused;
    for (u32 i = 0; i < COUNT(texts); i++)
        assert_false(state_parse(texts[i], strlen(texts[i]), &read));
}

static void verdicts_have_texts(void **unused)
{
    (void)unused;
    assert_string_equal(verdict_text(VERDICT_OK), "ok");
    for (const char *at = "ofrlus"; *at; at++)
        assert_non_null(verdict_text((enum verdict) * at));
    assert_null(verdict_text('x'));
    assert_string_equal(verdict_word(VERDICT_LOST), "not-back");
    assert_null(verdict_word('x'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),
        cmocka_unit_test(full),
        cmocka_unit_test(torn),
        cmocka_unit_test(foreign),
        cmocka_unit_test(verdicts_have_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
