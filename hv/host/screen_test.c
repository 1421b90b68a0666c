/* Drawing, into a frame buffer that the sanitizer watches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/asm.h"

static u64 cr3;
#define read_cr3() cr3
#include "host/font.c"
#include "host/screen.c"

#define GREY 0x808080

struct hv hv;
static struct boot_info info;
static u32 *points;

static void set_screen(u32 width, u32 height, u32 pitch)
{
    u64 count = (u64)pitch * height;

    free(points);
    points = malloc(count * sizeof *points);
    for (u64 i = 0; i < count; i++)
        points[i] = GREY;
    info.screen = (struct boot_screen){.base = (u64)points,
                                       .size = count * sizeof *points,
                                       .width = width,
                                       .height = height,
                                       .pitch = pitch};
    row = 0;
}

static int set_up(void **state)
{
    (void)state;
    cr3 = 0x1000;
    hv = (struct hv){.info = &info, .host_cr3 = 0x1000, .lean_cr3 = 0x1000, .full_cr3 = 0x1000};
    return 0;
}

static char point_at(u32 x, u32 y)
{
    u32 point = points[(u64)y * info.screen.pitch + x];

    return point == ~0U ? '#' : point == 0 ? '.' : ' ';
}

static void expect_cell(u32 left, u32 top, u32 by, const char *const *art)
{
    for (u32 y = 0; y < CELL_HEIGHT * by; y++)
        for (u32 x = 0; x < CELL_WIDTH * by; x++)
            if (point_at(left + x, top + y) != art[y / by][x / by])
                fail_msg("%u %u: %c", x, y, point_at(left + x, top + y));
}

static const char *const letter_r[] = {"####..", "#...#.", "#...#.", "####..", "#.#...",
                                       "#..#..", "#...#.", "......", "......"};
static const char *const seven[] = {"#####.", "....#.", "...#..", "...#..", "..#...",
                                    "..#...", "..#...", "......", "......"};
static const char *const unknown[] = {".###..", "#...#.", "....#.", "...#..", "..#...",
                                      "......", "..#...", "......", "......"};
static const char *const untouched[] = {"      ", "      ", "      ", "      ", "      ",
                                        "      ", "      ", "      ", "      "};

static void letters_at_every_size(void **state)
{
    static const u32 widths[] = {640, 1280, 1920, 3840};

    (void)state;
    for (u32 i = 0; i < COUNT(widths); i++) {
        u32 by = MAX(1U, widths[i] / 636);

        set_screen(widths[i], 400, widths[i] + 32);
        screen_line("R7r\x80");
        screen_line("7");
        expect_cell(0, 0, by, letter_r);
        expect_cell(6 * by, 0, by, seven);
        expect_cell(12 * by, 0, by, letter_r);
        expect_cell(18 * by, 0, by, unknown);
        expect_cell(24 * by, 0, by, untouched);
        expect_cell(0, 9 * by, by, seven);
        expect_cell(6 * by, 9 * by, by, untouched);
    }
}

/* A line of 20 on one of 10 columns is two; the third finds no row. */
static void long_lines_go_on_below_until_it_is_full(void **state)
{
    (void)state;
    set_screen(64, 28, 64);
    screen_line("RRRRRRRRRR7");
    expect_cell(54, 0, 1, letter_r);
    expect_cell(0, 9, 1, seven);
    screen_line("R7");
    expect_cell(6, 18, 1, seven);
    screen_line("7");
    expect_cell(0, 18, 1, letter_r);
    assert_int_equal(point_at(0, 27), ' ');
}

static void no_screen_or_one_too_small(void **state)
{
    (void)state;
    info.screen = (struct boot_screen){0};
    screen_line("R");
    set_screen(5, 100, 5);
    screen_line("R");
    assert_int_equal(point_at(0, 0), ' ');
    set_screen(100, 8, 100);
    screen_line("R");
    assert_int_equal(point_at(0, 0), ' ');
}

static void a_partitions_core_draws_nothing(void **state)
{
    (void)state;
    hv.lean_cr3 = 0x2000;
    set_screen(640, 100, 640);
    cr3 = hv.lean_cr3;
    screen_line("R");
    assert_int_equal(point_at(0, 0), ' ');
    cr3 = hv.host_cr3;
    screen_line("R");
    assert_int_equal(point_at(0, 0), '#');
}

/* The device's registers, as an OS leaves them. */
static void what_has_moved_is_not_drawn_on(void **state)
{
    static u32 config[1024] __attribute__((aligned(4096)));
    static const struct {
        u32 command, low, high;
        u8 bits;
        bool drawn;
    } cases[] = {
        {7, 0xd000000c, 0x20, 64, true},  {7, 0xd000000c, 0x21, 64, false},
        {7, 0xd000000c, 0x21, 32, true},  {7, 0xe000000c, 0x20, 64, false},
        {5, 0xd000000c, 0x20, 64, false},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(cases); i++) {
        set_screen(640, 100, 640);
        config[1] = cases[i].command;
        config[6] = cases[i].low;
        config[7] = cases[i].high;
        info.screen.bar = (u64)&config[6];
        info.screen.bar_value = 0x20d000000c;
        info.screen.bar_bits = cases[i].bits;
        screen_line("R");
        assert_int_equal(point_at(0, 0), cases[i].drawn ? '#' : ' ');
    }
}

static void every_glyph_is_drawn(void **state)
{
    (void)state;
    for (u32 i = 1; i < FONT_GLYPHS; i++) {
        u32 ink = 0;

        for (u32 x = 0; x < FONT_WIDTH; x++) {
            ink |= font[i][x];
            assert_int_equal(font[i][x] >> FONT_HEIGHT, 0);
        }
        assert_true(ink);
        for (u32 j = 0; j < i; j++)
            assert_memory_not_equal(font[i], font[j], FONT_WIDTH);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(letters_at_every_size, set_up),
        cmocka_unit_test_setup(long_lines_go_on_below_until_it_is_full, set_up),
        cmocka_unit_test_setup(no_screen_or_one_too_small, set_up),
        cmocka_unit_test_setup(a_partitions_core_draws_nothing, set_up),
        cmocka_unit_test_setup(what_has_moved_is_not_drawn_on, set_up),
        cmocka_unit_test_setup(every_glyph_is_drawn, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
