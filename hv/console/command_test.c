#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "console/command.c"
#include "console/frame.c"
#include "console/guess.c"
#include "console/out.c"
#include "serial/log_format.c"

static u8 bytes[4096];
static struct ring ring;
static struct request ran;
static u64 number;

static void note(struct request *request)
{
    ran = *request;
}

static void wants_number(struct request *request)
{
    ran = *request;
    number = ~0ULL;
    request_number(request, 1, 100, "core", &number);
}

const struct command commands[] = {
    {"look", "[X [Y]]", "", note, 0, 2, LOOKS},
    {"dump", "CORE", "", wants_number, 1, 1, LOOKS},
    {"reboot", "", "", note, 0, 0, CHANGES},
    {"allow", "EVENT...", "", note, 1, COMMAND_WORDS - 1, STAGES},
    {"policy", "[WHAT]", "", note, 0, 1, CHANGES_WITH_ARGUMENTS},
};
const u32 command_count = COUNT(commands);

/* The answer, with what ran in `ran`: 0 words if nothing did. */
static const char *answer(const char *text, bool readonly)
{
    static char said[sizeof(bytes) + 1];
    char *copy = strdup(text);
    struct out out;
    u32 n = 0;

    ring = (struct ring)RING(bytes);
    ran.count = 0;
    out_start(&out, &ring, sizeof(bytes), false);
    command_run(&out, NULL, copy, readonly);
    out_finish(&out);
    free(copy);
    while (ring_take(&ring, (u8 *)&said[n]))
        n++;
    said[n] = '\0';
    return said;
}

static void words(void **state)
{
    (void)state;
    assert_string_equal(answer("look", false), "");
    assert_int_equal(ran.count, 1);
    answer("  look   a  b ", false);
    assert_int_equal(ran.count, 3);
    assert_string_equal(answer("", false), "");
    assert_string_equal(answer("   ", false), "");
    assert_string_equal(answer("# look", false), "");
    assert_int_equal(ran.count, 0);
}

static void wrong_words(void **state)
{
    static const struct {
        const char *text, *answer;
    } cases[] = {
        {"lok", "error: no command 'lok'; did you mean look?\r\n"},
        {"looks", "error: no command 'looks'; did you mean look?\r\n"},
        {"loo", "error: no command 'loo'; did you mean look?\r\n"},
        {"lo", "error: no command 'lo'; help lists them\r\n"},
        {"nonsense", "error: no command 'nonsense'; help lists them\r\n"},
        {"plicy full", "error: no command 'plicy'; did you mean policy?\r\n"},
        {"look a b c", "error: usage: look [X [Y]]\r\n"},
        {"dump", "error: usage: dump CORE\r\n"},
        {"reboot now", "error: usage: reboot \r\n"},
        {"a b c d e f g h i j k l m n o p q r s t u v w x y",
         "error: too many words; help lists the commands\r\n"},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(cases); i++) {
        assert_string_equal(answer(cases[i].text, false), cases[i].answer);
        assert_int_equal(ran.count, 0);
    }
}

static void numbers(void **state)
{
    static const char *const wrong[] = {"dump 100",
                                        "dump x",
                                        "dump 1x",
                                        "dump -1",
                                        "dump 0x",
                                        "dump 1.5",
                                        "dump 99999999999999999999"};

    (void)state;
    assert_string_equal(answer("dump 99", false), "");
    assert_int_equal(number, 99);
    answer("dump 0x10", false);
    assert_int_equal(number, 16);
    for (u32 i = 0; i < COUNT(wrong); i++)
        assert_non_null(strstr(answer(wrong[i], false), "is no core: use a number below 100"));
}

static void the_lock(void **state)
{
    static const struct {
        const char *text;
        enum effect effect;
    } cases[] = {
        {"look", LOOKS},          {"look policy", LOOKS},
        {"reboot", CHANGES},      {" reboot ", CHANGES},
        {"policy", LOOKS},        {"policy ", LOOKS},
        {"policy full", CHANGES}, {"allow 1", STAGES},
        {"reboots", LOOKS},       {"", LOOKS},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(cases); i++)
        assert_int_equal(command_effect(cases[i].text), cases[i].effect);
    assert_non_null(strstr(answer("reboot", true), "console-lock = readonly"));
    assert_non_null(strstr(answer("policy full", true), "console-lock = readonly"));
    assert_non_null(strstr(answer("allow 1", true), "console-lock = readonly"));
    assert_int_equal(ran.count, 0);
    assert_string_equal(answer("policy", true), "");
    assert_int_equal(ran.count, 1);
    assert_string_equal(answer("reboot", false), "");
    assert_int_equal(ran.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(wrong_words),
        cmocka_unit_test(numbers),
        cmocka_unit_test(the_lock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
