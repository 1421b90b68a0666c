#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "console/frame.c"
#include "console/out.c"
#include "serial/log_format.c"

#define ROOM 8192

static u8 bytes[ROOM];
static struct ring ring;
static char said[ROOM + 1];

static const struct column columns[] = {
    {"core", 4, COLUMN_NUMBER}, {"last_exit", 10, COLUMN_TEXT}, {"rip", 0, COLUMN_TEXT}};
static const struct table table = {"cores", columns, COUNT(columns)};

static const char *taken(void)
{
    u32 n = 0;

    while (ring_take(&ring, (u8 *)&said[n]))
        n++;
    said[n] = '\0';
    return said;
}

static void describe(struct out *out, u32 rows)
{
    out_text(out, "name", "a \"quoted\" \x1b name\xff");
    out_number(out, "count", 3);
    out_flag(out, "on", true);
    out_table(out, &table);
    for (u32 i = 0; i < rows; i++) {
        out_row(out);
        cell_number(out, i);
        cell_text(out, "cpuid");
        cell_hex(out, ~0ULL);
    }
    out_end(out);
    out_hex(out, "base", 0x1000);
    out_finish(out);
}

static int set_up(void **state)
{
    (void)state;
    ring = (struct ring)RING(bytes);
    return 0;
}

static void text(void **state)
{
    struct out out;

    (void)state;
    out_start(&out, &ring, ROOM, false);
    describe(&out, 2);
    assert_string_equal(taken(), "name            a \"quoted\" ? name?\r\n"
                                 "count           3\r\n"
                                 "on              yes\r\n"
                                 "core  last exit   rip\r\n"
                                 "   0  cpuid       0xffffffffffffffff\r\n"
                                 "   1  cpuid       0xffffffffffffffff\r\n"
                                 "base            0x1000\r\n");
}

static void json(void **state)
{
    struct out out;

    (void)state;
    out_start(&out, &ring, ROOM, true);
    describe(&out, 2);
    assert_string_equal(
        taken(), "{\"name\":\"a \\\"quoted\\\" \\u001b name\\u00ff\",\"count\":3,\"on\":true,"
                 "\"cores\":[{\"core\":0,\"last_exit\":\"cpuid\",\"rip\":"
                 "\"0xffffffffffffffff\"},{\"core\":1,\"last_exit\":\"cpuid\",\"rip\":"
                 "\"0xffffffffffffffff\"}],\"base\":\"0x1000\",\"ok\":true}");
    out_start(&out, &ring, ROOM, true);
    describe(&out, 0);
    assert_non_null(strstr(taken(), "\"cores\":[],\"base\""));
}

static void failures(void **state)
{
    struct out out;

    (void)state;
    out_start(&out, &ring, ROOM, true);
    out_fail(&out, "no core %u", (u64)9);
    out_fail(&out, "the first counts");
    out_finish(&out);
    assert_string_equal(taken(), "{\"error\":\"no core 9\",\"ok\":false}");
    out_start(&out, &ring, ROOM, false);
    out_fail(&out, "no core %u", (u64)9);
    out_finish(&out);
    assert_string_equal(taken(), "error: no core 9\r\n");
}

/* However many rows, the answer fits, is well-formed, and says that it was cut. */
static void answers_are_bounded(void **state)
{
    struct out out;
    const char *all;

    (void)state;
    out_start(&out, &ring, ROOM, true);
    describe(&out, 10000);
    all = taken();
    assert_in_range(strlen(all), ROOM / 2, ROOM);
    assert_non_null(strstr(all, "\"}],\"base\":\"0x1000\",\"cut\":true,\"ok\":true}"));
    out_start(&out, &ring, ROOM, false);
    describe(&out, 10000);
    assert_non_null(strstr(taken(), "\r\n(more does not fit)\r\n"));
}

static void lines_fit_the_terminal(void **state)
{
    struct out out;
    char wide[200] = {0};

    (void)state;
    memset(wide, 'x', sizeof(wide) - 1);
    out_start(&out, &ring, ROOM, false);
    out_text(&out, "name", wide);
    out_say(&out, "%s", wide);
    out_fail(&out, "%s", wide);
    out_table(&out, &table);
    out_row(&out);
    cell_number(&out, 1);
    cell_text(&out, wide);
    out_end(&out);
    out_finish(&out);
    for (char *at = strtok((char *)taken(), "\r\n"); at; at = strtok(NULL, "\r\n"))
        assert_in_range(strlen(at), 1, OUT_WIDTH);
}

/* Nothing of a sentence is lost, and no word is cut that fits a line. */
static void sentences_go_on(void **state)
{
    static const char wrapped[] =
        "error: line 3 is left out: 'BR_INST': neither an event as 0xc0/0x00, nor\r\n"
        "  architectural, core, all, fixed, topdown, modifier, offcore, frontend or\r\n"
        "  ldlat; cede-policy knows names of events\r\n";
    static const char text_only[] =
        "line 3 is left out: 'BR_INST': neither an event as 0xc0/0x00, nor architectural, core, "
        "all, "
        "fixed, topdown, modifier, offcore, frontend or ldlat; cede-policy knows names of events";
    char word[100] = {0}, both[200];
    struct out out;

    (void)state;
    out_start(&out, &ring, ROOM, false);
    out_fail(&out, "%s", text_only);
    out_finish(&out);
    assert_string_equal(taken(), wrapped);
    assert_string_equal(out.said, text_only);
    for (u32 n = 70; n < 85; n++) {
        memset(word, 'x', n);
        out_start(&out, &ring, ROOM, false);
        snprintf(both, sizeof(both), "ab %s %s", word, "c");
        out_say(&out, "%s", both);
        assert_in_range(strcspn(taken(), "\r"), 1, OUT_WIDTH);
        assert_non_null(strstr(said, "c\r\n"));
        assert_true(n >= OUT_WIDTH - 2 || strstr(said, word));
    }
    out_start(&out, &ring, ROOM, true);
    out_say(&out, "%s", text_only);
    assert_non_null(strstr(taken(), text_only));
}

static void frames_go_round(void **state)
{
    struct out out;
    struct frame frame;
    char line[ROOM];

    (void)state;
    frame_begin(&out, &ring, ROOM, 0x12ab);
    describe(&out, 1);
    set_up(NULL);
    frame_begin(&out, &ring, ROOM, 0x12ab);
    out_number(&out, "cores", 4);
    frame_end(&out);
    taken();
    assert_string_equal(said, "\r\n@cede/1 000012ab {\"cores\":4,\"ok\":true} 2b135980\r\n");
    snprintf(line, sizeof(line), "%.*s", (int)strlen(said) - 4, said + 2);
    assert_true(frame_parse(line, (u32)strlen(line), &frame));
    assert_int_equal(frame.sequence, 0x12ab);
    assert_string_equal(frame.text, "{\"cores\":4,\"ok\":true}");
}

/* Zlib's CRC-32 of "123456789". */
static void the_crc_is_everybodys(void **state)
{
    (void)state;
    assert_int_equal(crc_of("123456789", 9), 0xcbf43926);
}

static void damage_is_seen(void **state)
{
    static const char good[] = "@cede/1 00000001 cores a1e00a13";
    struct frame frame;
    char line[64];

    (void)state;
    strcpy(line, good);
    assert_true(frame_parse(line, sizeof(good) - 1, &frame));
    assert_string_equal(frame.text, "cores");
    for (u32 i = 0; i < (sizeof(good) - 1) * 8; i++) {
        strcpy(line, good);
        line[i / 8] ^= (char)(1 << i % 8);
        assert_false(frame_parse(line, sizeof(good) - 1, &frame));
    }
    for (u32 n = 0; n < sizeof(good) - 1; n++) {
        strcpy(line, good);
        assert_false(frame_parse(line, n, &frame));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(text, set_up),
        cmocka_unit_test_setup(json, set_up),
        cmocka_unit_test_setup(failures, set_up),
        cmocka_unit_test_setup(answers_are_bounded, set_up),
        cmocka_unit_test_setup(lines_fit_the_terminal, set_up),
        cmocka_unit_test_setup(sentences_go_on, set_up),
        cmocka_unit_test_setup(frames_go_round, set_up),
        cmocka_unit_test_setup(the_crc_is_everybodys, set_up),
        cmocka_unit_test_setup(damage_is_seen, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
