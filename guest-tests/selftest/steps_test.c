#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "selftest/buffer.c"
#include "selftest/state.c"
#include "selftest/steps.c"
#include "uefi/text.c"

static const struct step check = {.kind = STEP_CHECK}, memory = {.kind = STEP_MEMORY},
                         bare = {.kind = STEP_BARE}, cede = {.kind = STEP_CEDE};

static void table(void **unused)
{
    struct step step = step_get(0);
    char name[48], other[48];

    (void)unused;
    assert_int_equal(step.kind, STEP_CHECK);
    assert_string_equal(step.options, "--check");
    assert_true(steps_count() <= STATE_STEPS);
    for (u32 i = 0; i < steps_count(); i++) {
        step = step_get(i);
        step_name(&step, name);
        assert_true(step.seconds > 0);
        for (u32 j = 0; j < i; j++) {
            step = step_get(j);
            step_name(&step, other);
            assert_string_not_equal(name, other);
        }
    }
    step = step_get(STEP_NUMBER_TESTS);
    assert_int_equal(step.kind, STEP_BARE);
    assert_string_equal(step.program, "basic");
    assert_string_equal(step.options, "careful");
    for (u32 i = 0; i < COUNT(tests); i++)
        assert_true(strlen(tests[i].options) < STEP_OPTIONS);
    step = step_get(STEP_NUMBER_TESTS + COUNT(tests));
    step_name(&step, name);
    assert_string_equal(name, "again measure");
    step = step_get(STEP_NUMBER_TESTS + COUNT(tests) + 1);
    step_name(&step, name);
    assert_string_equal(name, "cede basic");
}

/* Returns which is the first of them. */
static u32 add_anew(const char *text)
{
    u32 before;

    extra_count = 0;
    before = steps_count();
    steps_add(text, strlen(text));
    return before;
}

static void added(void **unused)
{
    static const char text[] = "bare hang kept=1 more\r\n\n# no step\nbare\n  cede=15 reset cf9";
    u32 before = add_anew(text);
    struct step step;

    (void)unused;
    assert_int_equal(steps_count(), before + 2);
    step = step_get(before);
    assert_int_equal(step.kind, STEP_BARE);
    assert_string_equal(step.program, "hang");
    assert_string_equal(step.options, "kept=1 more");
    assert_int_equal(step.seconds, 60);
    step = step_get(before + 1);
    assert_int_equal(step.kind, STEP_CEDE);
    assert_string_equal(step.options, "cf9");
    assert_int_equal(step.seconds, 15);
    assert_int_equal(step_patience(&step), 60);
    for (u32 i = 0; i < 100; i++)
        steps_add(text, strlen(text));
    assert_true(steps_count() <= STATE_STEPS);
    steps_add("only\n", 5);
    assert_int_equal(steps_count(), STEP_NUMBER_TESTS + COUNT(extra));
    step = step_get(STEP_NUMBER_TESTS);
    assert_string_equal(step.program, "hang");
}

/* A program of the table has its options and its time, unless others are said. */
static void completed(void **unused)
{
    u32 before = add_anew("bare linux\ncede=30 linux quiet\nbare=7 basic\nbare other\n");
    struct step step;

    (void)unused;
    step = step_get(before);
    assert_string_equal(step.options, LINUX_OPTIONS);
    assert_int_equal(step.seconds, 120);
    step = step_get(before + 1);
    assert_string_equal(step.options, "quiet");
    assert_int_equal(step.seconds, 30);
    step = step_get(before + 2);
    assert_string_equal(step.options, "careful");
    assert_int_equal(step.seconds, 7);
    step = step_get(before + 3);
    assert_string_equal(step.options, "");
    assert_int_equal(step.seconds, 60);
}

static void forbidden(void **unused)
{
    struct state state = {0};

    (void)unused;
    assert_int_equal(step_forbidden(&check, &state), 0);
    state_end_step(&state, VERDICT_OK);
    assert_int_equal(step_forbidden(&cede, &state), 0);
    state.verdicts[0] = VERDICT_FAILED;
    assert_int_equal(step_forbidden(&cede, &state), VERDICT_SKIPPED);
    assert_int_equal(step_forbidden(&bare, &state), 0);
}

#define OUTCOME(step, state, text) step_outcome(step, state, text, strlen(text))

static void outcomes(void **unused)
{
    static const struct state keeps = {.verdicts = "oo"}, forgets = {.verdicts = "ou"};

    (void)unused;
    assert_int_equal(OUTCOME(&bare, &keeps, "test: a ok\ninfo: done, exit code 0\n"), VERDICT_OK);
    assert_int_equal(OUTCOME(&cede, &keeps, "info: done, exit code 1\n"), VERDICT_FAILED);
    assert_int_equal(OUTCOME(&cede, &keeps, "info: done, exit code 0\ncede: panic: core 1: "),
                     VERDICT_FAILED);
    assert_int_equal(OUTCOME(&cede, &keeps, "x info: done, exit code 0\n"), VERDICT_LOST);
    assert_int_equal(OUTCOME(&bare, &keeps, "info: done, exit code "), VERDICT_LOST);
    assert_int_equal(OUTCOME(&bare, &keeps, "test: a ok\n"), VERDICT_LOST);
    assert_int_equal(OUTCOME(&bare, &keeps, ""), VERDICT_LOST);
    assert_int_equal(OUTCOME(&bare, &forgets, ""), VERDICT_UNKNOWN);
    assert_int_equal(OUTCOME(&bare, &forgets, "test: a ok\n"), VERDICT_LOST);
    assert_int_equal(OUTCOME(&check, &(struct state){0}, ""), VERDICT_LOST);
    assert_int_equal(OUTCOME(&memory, &(struct state){.verdicts = "o"}, ""), VERDICT_UNKNOWN);
    assert_int_equal(
        OUTCOME(&memory, &(struct state){.verdicts = "o"}, "info: done, exit code 0\n"),
        VERDICT_OK);
}

int main(void)
{
    const struct CMUnitTest tests_here[] = {
        cmocka_unit_test(table),     cmocka_unit_test(forbidden), cmocka_unit_test(outcomes),
        cmocka_unit_test(completed), cmocka_unit_test(added),
    };

    return cmocka_run_group_tests(tests_here, NULL, NULL);
}
