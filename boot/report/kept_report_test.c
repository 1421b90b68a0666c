/* What the operator reads of a kept block; and that whatever lies in one, the lines are lines of
 * printable characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "report/kept_report.c"
#include "place/keep.c"
#include "uefi/text.c"

#define CORES 2
#define SIZE  (KEPT_TEXT + CORES * sizeof(struct kept_exit[KEPT_EXITS]))

static struct kept *block;
static struct kept_cede *payload;
static char said[1000000];

void say(const char *format, ...)
{
    size_t used = strlen(said);
    va_list args;

    va_start(args, format);
    text_format(said + used, sizeof said - used, format, args);
    va_end(args);
}

void say_wrapped(const char *prefix, const char *text)
{
    say("%s%s\n", prefix, text);
}

u32 console_tsc_khz(void)
{
    return 2000000;
}

/* Blocks of this test are found by nobody. */
struct kept *kept_newest(u32 kind, bool (*says)(const struct kept *found))
{
    assert_int_equal(kind, KEPT_CEDE);
    return block->used || says(block) ? block : NULL;
}

struct kept *kept_find(u32 kind, const struct kept *after)
{
    (void)kind;
    (void)after;
    return NULL;
}

struct kept *kept_alloc(u32 kind, u64 bytes)
{
    assert_int_equal(kind, KEPT_CEDE);
    return bytes == SIZE ? block : NULL;
}

bool kept_hold(const struct kept *held)
{
    return held == block;
}

void kept_drop(struct kept *dropped)
{
    dropped->magic = 0;
}

static int set_up(void **state)
{
    (void)state;
    block = calloc(1, sizeof *block + SIZE);
    kept_begin(block, (u64)block, KEPT_CEDE, SIZE, 1);
    payload = (void *)block->payload;
    said[0] = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(block);
    return 0;
}

static void leave_text(const char *text)
{
    block->used = (u32)strlen(text);
    memcpy(payload->text, text, block->used);
}

static void nothing_is_said_of_nothing(void **state)
{
    (void)state;
    assert_null(keep_last());
    kept_mention(NULL);
    kept_report(NULL);
    kept_report(block);
    assert_string_equal(said, "");
}

static void a_panic(void **state)
{
    (void)state;
    leave_text("panic: core 1: exception 6\npanic:   rax \x1b[2J\n");
    kept_mention(keep_last());
    kept_report(block);
    assert_string_equal(said,
                        "cede: kept: panic report of an earlier boot: cede.efi --check shows it\n"
                        "cede: kept: panic report of an earlier boot:\n"
                        "cede: kept: panic: core 1: exception 6\n"
                        "cede: kept: panic:   rax ?[2J\n");
}

/* The ring has gone round; times are those of the machine's TSC before the newest of all. */
static void the_exits_of_each_core_in_order(void **state)
{
    (void)state;
    payload->rings[1][3] = (struct kept_exit){.tsc = 1000000,
                                              .rip = 0x1234,
                                              .rax = 1,
                                              .rcx = 2,
                                              .info = 3,
                                              .address = 4,
                                              .reason = 0x7b,
                                              .cs = 8,
                                              .number = 36};
    payload->rings[1][2] = payload->rings[1][3];
    payload->rings[1][2].number = 35;
    payload->rings[1][2].tsc = 980000;
    payload->rings[0][0] = (struct kept_exit){.tsc = 2000000, .reason = 0x72, .number = 1};
    kept_mention(keep_last());
    kept_report(keep_last());
    assert_string_equal(said,
                        "cede: kept: last exits of an earlier boot: cede.efi --check shows it\n"
                        "cede: kept: core 0, last exits before TSC 1e8480:\n"
                        "cede:   -0 us exit 72 at 0:0 info 0 0 rax 0 rcx 0\n"
                        "cede: kept: core 1, last exits before TSC 1e8480:\n"
                        "cede:   -510 us exit 7b at 8:1234 info 3 4 rax 1 rcx 2\n"
                        "cede:   -500 us exit 7b at 8:1234 info 3 4 rax 1 rcx 2\n");
}

static void a_block_is_taken_for_this_boot(void **state)
{
    struct boot_range range = keep_take(NULL, CORES);

    (void)state;
    assert_int_equal(range.base, (u64)block);
    assert_int_equal(range.size, ALIGN_UP(sizeof *block + SIZE, PAGE_SIZE));
    keep_undo(&range);
    assert_int_equal(block->magic, 0);
    range = keep_take(NULL, CORES + 1); /* no room */
    assert_int_equal(range.size, 0);
    keep_undo(&range);
}

static void expect_lines(void)
{
    assert_true(strlen(said) + 1 < sizeof said);
    for (const char *c = said; *c; c++)
        if (*c != '\n' && (*c < ' ' || *c > '~'))
            fail_msg("%02x", *c);
}

static void garbage(void **state)
{
    u8 *bytes = block->payload;

    (void)state;
    srand(1);
    for (u32 round = 0; round < 50; round++) {
        said[0] = 0;
        for (u32 i = 0; i < SIZE; i++)
            bytes[i] = (u8)rand();
        block->used = round % 2 ? (u32)rand() : ~0U;
        kept_report(block);
        expect_lines();
    }
    for (u32 i = 0; i < CORES * KEPT_EXITS; i++)
        payload->rings[i / KEPT_EXITS][i % KEPT_EXITS].number =
            ~0U; /* all the same, and the highest */
    kept_report(block);
}

/* One that is smaller than Cede's, of another version's making. */
static void a_short_one(void **state)
{
    struct kept *small = malloc(sizeof *small + 10);

    (void)state;
    kept_begin(small, 0, KEPT_CEDE, 10, 1);
    memcpy(small->payload, "panic: you", 10);
    small->used = 100000;
    kept_report(small);
    assert_string_equal(said,
                        "cede: kept: panic report of an earlier boot:\ncede: kept: panic: you\n");
    free(small);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_said_of_nothing),     TEST(a_panic), TEST(the_exits_of_each_core_in_order),
        TEST(a_block_is_taken_for_this_boot), TEST(garbage), TEST(a_short_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
