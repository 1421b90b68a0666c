#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "selftest/json.c"
#include "selftest/buffer.c"
#include "uefi/text.c"

static char memory[256];
static struct buffer out;

static void begin(size_t size)
{
    buffer_init(&out, memory, size);
}

static void strings(void **state)
{
    (void)state;
    begin(sizeof memory);
    json_string(&out, "a \"b\" \\c\x01\t\xe9\x7f", 12);
    assert_string_equal(memory, "\"a \\\"b\\\" \\\\c\\u0001\\u0009\\u00e9\\u007f\"");
    begin(sizeof memory);
    json_string(&out, "a\0b", 3);
    assert_string_equal(memory, "\"a\\u0000b\"");
}

static void lines(void **state)
{
    (void)state;
    begin(sizeof memory);
    json_lines(&out, "", 0);
    assert_string_equal(memory, "[]");
    begin(sizeof memory);
    json_lines(&out, "one\n\nlast", 9);
    assert_string_equal(memory, "[\n    \"one\",\n    \"\",\n    \"last\"]");
    begin(sizeof memory);
    json_lines(&out, "one\n", 4);
    assert_string_equal(memory, "[\n    \"one\"]");
}

/* No byte takes more room than the writer of a report counts on. */
static void worst(void **state)
{
    (void)state;
    for (u32 c = 0; c < 256; c++) {
        begin(sizeof memory);
        escaped(&out, (u8)c);
        assert_in_range(out.used, 1, JSON_WORST);
    }
}

static void full(void **state)
{
    (void)state;
    begin(4);
    buffer_print(&out, "%s", "abc");
    assert_false(out.cut);
    buffer_text(&out, "d");
    assert_true(out.cut);
    assert_string_equal(memory, "abc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings),
        cmocka_unit_test(lines),
        cmocka_unit_test(worst),
        cmocka_unit_test(full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
