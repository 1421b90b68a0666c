/* What is kept: lines until the text is full, exits in the ring of their core; and nothing where
 * the loader has given no place for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "host/keep.c"

#define CORES 3

struct hv hv;
void (*log_last_words)(const char *line);

static struct boot_info info;
static struct kept *memory;
static struct cpu cpu;
static char shown[256];
static bool faults;

/* A fault while the screen is drawn on is a report in its turn. */
void screen_line(const char *text)
{
    size_t length = strlen(shown);

    snprintf(shown + length, sizeof shown - length, "%s|", text);
    if (faults)
        log_last_words("again");
}

static int set_up(void **state)
{
    u32 size = KEPT_TEXT + CORES * sizeof(struct kept_exit[KEPT_EXITS]);

    (void)state;
    memory = aligned_alloc(PAGE_SIZE, ALIGN_UP(sizeof *memory + size, PAGE_SIZE));
    memset(memory, 0, sizeof *memory + size);
    kept_begin(memory, (u64)memory, KEPT_CEDE, size, 1);
    info = (struct boot_info){.kept = {(u64)memory, ALIGN_UP(sizeof *memory + size, PAGE_SIZE)},
                              .trace = 1,
                              .cpu_count = CORES};
    hv = (struct hv){.info = &info};
    cpu = (struct cpu){.index = 1};
    shown[0] = 0;
    faults = busy = false;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(memory);
    return 0;
}

static void lines_are_kept_and_shown(void **state)
{
    (void)state;
    keep_prepare();
    log_last_words("panic: one");
    log_last_words("two");
    assert_int_equal(memory->used, 15);
    assert_memory_equal(memory->payload, "panic: one\ntwo\n", 16);
    assert_string_equal(shown, "panic: one|two|");
}

/* Whatever a device has made of the block: Cede goes by its own count. */
static void what_is_read_back_does_not_matter(void **state)
{
    (void)state;
    keep_prepare();
    memory->used = 0xffffffff;
    memory->size = 0;
    log_last_words("one");
    assert_int_equal(memory->used, 4);
}

static void the_first_lines_stay(void **state)
{
    const struct kept_exit nothing[KEPT_EXITS] = {{0}};

    (void)state;
    keep_prepare();
    for (u32 i = 0; i < 2000; i++)
        log_last_words("123456789012");
    assert_int_equal(memory->used, KEPT_TEXT);
    assert_memory_equal(memory->payload, "123456789012\n1234", 17);
    assert_memory_equal(memory->payload + KEPT_TEXT, nothing, sizeof nothing);
}

static void a_fault_in_between_has_an_end(void **state)
{
    (void)state;
    faults = true;
    keep_prepare();
    log_last_words("one");
    assert_string_equal(shown, "one|");
    assert_memory_equal(memory->payload, "one\n", 5);
}

static void exits_go_round_in_the_cores_own_ring(void **state)
{
    struct kept_cede *payload = (void *)memory->payload;

    (void)state;
    keep_prepare();
    assert_true(hv.trace);
    for (u32 i = 1; i <= KEPT_EXITS + 2; i++) {
        cpu.regs[RAX] = i;
        cpu.regs[RCX] = 2 * i;
        keep_exit(&cpu, &(struct kept_exit){.rip = 3 * i});
    }
    assert_int_equal(payload->rings[1][2].number, 3);
    assert_int_equal(payload->rings[1][1].number, KEPT_EXITS + 2);
    assert_int_equal(payload->rings[1][1].rip, 3 * (KEPT_EXITS + 2));
    assert_int_equal(payload->rings[1][1].rax, KEPT_EXITS + 2);
    assert_int_equal(payload->rings[1][1].rcx, 2 * (KEPT_EXITS + 2));
    assert_true(payload->rings[1][1].tsc >= payload->rings[1][0].tsc);
    for (u32 i = 0; i < KEPT_EXITS; i++)
        assert_int_equal(payload->rings[0][i].number + payload->rings[2][i].number, 0);
}

static void no_trace_without_rings_or_will(void **state)
{
    (void)state;
    info.trace = 0;
    keep_prepare();
    assert_false(hv.trace);
    info.trace = 1;
    info.cpu_count = CORES + 1;
    keep_prepare();
    assert_false(hv.trace);
}

static void without_a_block_there_is_the_screen(void **state)
{
    const struct boot_range bad[] = {
        {0, 0}, {info.kept.base, PAGE_SIZE}, {info.kept.base, info.kept.size}};

    (void)state;
    for (u32 i = 0; i < COUNT(bad); i++) {
        info.kept = bad[i];
        memory->magic = i == 2 ? 0 : KEPT_MAGIC;
        keep_prepare();
        assert_false(hv.trace);
        log_last_words("x");
    }
    assert_string_equal(shown, "x|x|x|");
    assert_int_equal(memory->used, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_are_kept_and_shown),
        TEST(what_is_read_back_does_not_matter),
        TEST(the_first_lines_stay),
        TEST(a_fault_in_between_has_an_end),
        TEST(exits_go_round_in_the_cores_own_ring),
        TEST(no_trace_without_rings_or_will),
        TEST(without_a_block_there_is_the_screen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
