#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "serial/escape.h"
#include "console/line.c"

static struct line line;
static u8 echo_bytes[4096];
static struct ring echo;

static int set_up(void **state)
{
    (void)state;
    line = (struct line){0};
    echo = (struct ring)RING(echo_bytes);
    return 0;
}

/* Types all of it; the last event. */
static enum line_event type(const char *keys)
{
    enum line_event event = LINE_MORE;

    for (; *keys; keys++)
        event = line_byte(&line, (u8)*keys, "cede> ", &echo);
    return event;
}

static const char *echoed(void)
{
    static char text[sizeof(echo_bytes) + 1];
    u32 n = 0;
    u8 byte;

    while (ring_take(&echo, &byte))
        text[n++] = (char)byte;
    text[n] = '\0';
    return text;
}

static void a_line_is_echoed_and_taken(void **state)
{
    (void)state;
    assert_int_equal(type("cores\r"), LINE_DONE);
    assert_string_equal(line.text, "cores");
    assert_string_equal(echoed(), "cores\r\n");
    /* The LF of CR LF is no line of its own; a lone LF is. */
    assert_int_equal(type("\nlog\n"), LINE_DONE);
    assert_string_equal(line.text, "log");
    assert_int_equal(type("\n"), LINE_DONE);
    assert_string_equal(line.text, "");
}

static void editing(void **state)
{
    static const struct {
        const char *keys, *line;
    } cases[] = {
        {"coxx\b\177res\r", "cores"},
        {"\b\b\blog\r", "log"},
        {"dump 3\0253\025cores\r", "cores"},
        {"dump  3\027\0274\r", "4"},
        {"dump 3\0274\r", "dump 4"},
        {"co\033[Dres\r", "cores"},
        {"co\033[1;5Cres\r", "cores"},
        {"co\033OPres\r", "cores"},
        {"\033cores\r", "ores"},
        {"\303\244c\002ores\377\r", "cores"},
        {"c\014ores\r", "cores"},
        {"x\003cores\r", "cores"},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(cases); i++) {
        assert_int_equal(type(cases[i].keys), LINE_DONE);
        assert_string_equal(line.text, cases[i].line);
    }
}

static void the_line_before_comes_back(void **state)
{
    (void)state;
    type("dump 3\r");
    type("\r");
    assert_int_equal(type("xy\033[A\r"), LINE_DONE);
    assert_string_equal(line.text, "dump 3");
    type("@cede/1 frame\r");
    assert_int_equal(type("\020\b4\r"), LINE_DONE);
    assert_string_equal(line.text, "dump 4");
}

static void frames_are_not_echoed(void **state)
{
    (void)state;
    assert_int_equal(type("@cede/1 x\r"), LINE_DONE);
    assert_true(line_is_frame(&line));
    assert_string_equal(echoed(), "");
}

static void long_lines_are_refused_whole(void **state)
{
    (void)state;
    for (u32 i = 0; i < 65536; i++)
        assert_int_equal(line_byte(&line, 'x', "", &echo), LINE_MORE);
    assert_int_equal(type("\r"), LINE_TOO_LONG);
    echoed();
    assert_int_equal(type("log\r"), LINE_DONE);
    assert_string_equal(line.text, "log");
    for (u32 i = 0; i < 600; i++)
        line_byte(&line, 'x', "", &echo);
    assert_int_equal(type("\025log\r"), LINE_DONE);
}

static void leaving_and_cancelling(void **state)
{
    (void)state;
    assert_int_equal(type("\004"), LINE_LEAVE);
    assert_int_equal(type("x\004\003"), LINE_CANCEL);
    assert_int_equal(type("\r"), LINE_DONE);
    assert_string_equal(line.text, "");
}

/* Where each byte goes: g and p are the guest's and the prompt's. */
static const char *route(struct escape *escape, char where, const char *bytes)
{
    static char out[64];
    u32 n = 0;

    for (; *bytes; bytes++) {
        enum escape_event event = escape_byte_seen(escape, (u8)*bytes);

        if (event == ESCAPE_SWITCH)
            where = where == 'g' ? 'p' : 'g';
        if (event == ESCAPE_PROMPT)
            where = 'p';
        if (event == ESCAPE_BOTH)
            out[n++] = where;
        if (event == ESCAPE_BOTH || event == ESCAPE_BYTE)
            out[n++] = where;
    }
    out[n++] = where;
    out[n] = '\0';
    return out;
}

static void escapes(void **state)
{
    struct escape escape = {.key = ']'};

    (void)state;
    assert_string_equal(route(&escape, 'g', "ab"), "ggg");
    assert_string_equal(route(&escape, 'g', "a]b"), "gggg"); /* the single one arrives */
    assert_string_equal(route(&escape, 'g', "a]]b"), "gpp");
    assert_string_equal(route(&escape, 'p', "a]]b"), "pgg");
    assert_string_equal(route(&escape, 'p', "]]a]]b"), "gpp");
}

/* Three lead to the prompt from everywhere, even with one held; what follows is the prompt's. */
static void three_escapes_lead_to_the_prompt(void **state)
{
    static const char *const before[] = {"", "x", "]", "]]", "]]x", "]]x]"};

    (void)state;
    for (u32 i = 0; i < COUNT(before) * 2; i++) {
        struct escape escape = {.key = ']'};
        const char *way = route(&escape, i & 1 ? 'p' : 'g', before[i / 2]);
        const char *end;

        end = route(&escape, way[strlen(way) - 1], "]]]@");
        assert_int_equal(end[strlen(end) - 1], 'p');
        assert_int_equal(end[strlen(end) - 2], 'p');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_line_is_echoed_and_taken, set_up),
        cmocka_unit_test_setup(editing, set_up),
        cmocka_unit_test_setup(the_line_before_comes_back, set_up),
        cmocka_unit_test_setup(frames_are_not_echoed, set_up),
        cmocka_unit_test_setup(long_lines_are_refused_whole, set_up),
        cmocka_unit_test_setup(leaving_and_cancelling, set_up),
        cmocka_unit_test(escapes),
        cmocka_unit_test(three_escapes_lead_to_the_prompt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
