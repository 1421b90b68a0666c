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
#include "guest.h"
#include "pmu/policy_text.c"
#include "console/act_policy.c"

#define CORES 4

static struct guest guest;
static u8 bytes[4096];
static struct ring ring;
static u32 changes, answered;
static bool busy;
static enum pmu_mode mode;
static struct pmu_policy policy; /* of the last change; no lines if it had none */

const char *const pmu_mode_names[] = {"filtered", "full", "off"};

static void about_guest(struct request *request)
{
    request->guest = &guest;
    act_policy(request);
}

const struct command commands[] = {
    {"policy", "[GUEST] [WHAT]", "", about_guest, 1, 2, CHANGES_WITH_ARGUMENTS},
    {"allow", "EVENT...", "", act_rule, 1, COMMAND_WORDS - 1, STAGES},
    {"deny", "EVENT...", "", act_rule, 1, COMMAND_WORDS - 1, STAGES},
};
const u32 command_count = COUNT(commands);

/* A machine that cannot give branch records. */
enum policy_grant pmu_refused(const struct pmu_policy *of, enum grant_answer *why)
{
    *why = GRANT_NOT_YET;
    return of->grants[POLICY_ALLOW] & 1 << GRANT_LBR ? GRANT_LBR : GRANTS;
}

const char *grant_name(enum policy_grant grant)
{
    assert_int_equal(grant, GRANT_LBR);
    return "lbr";
}

const char *grant_text(enum grant_answer answer)
{
    assert_int_equal(answer, GRANT_NOT_YET);
    return "not here";
}

u32 guest_change_pmu(struct cpu *self, struct guest *whose, enum pmu_mode to,
                     const struct pmu_policy *list_of)
{
    (void)self;
    assert_ptr_equal(whose, &guest);
    if (busy)
        return PMU_BUSY;
    changes++;
    mode = to;
    policy = list_of ? *list_of : (struct pmu_policy){0};
    return CORES;
}

/* On one line, however long. */
static const char *say(const char *text)
{
    static char said[sizeof(bytes) + 1];
    char *copy = strdup(text);
    struct out out;
    u32 n = 0;

    ring = (struct ring)RING(bytes);
    out_start(&out, &ring, sizeof(bytes), false);
    command_run(&out, NULL, copy, false);
    out_finish(&out);
    answered = out.failed;
    free(copy);
    while (ring_take(&ring, (u8 *)&said[n]))
        n++;
    assert_true(!n || out.said[0]);
    strcpy(said, n ? out.said : "");
    return said;
}

static int set_up(void **state)
{
    (void)state;
    memset(&list, 0, sizeof(list));
    changes = 0;
    busy = false;
    return 0;
}

static void a_list(void **state)
{
    (void)state;
    assert_string_equal(say("allow core"), "policy begin comes first, policy commit last");
    assert_string_equal(say("policy commit"), "policy begin comes first");
    say("policy begin");
    assert_string_equal(say("allow 0xc0/0x00"), "");
    assert_string_equal(say("deny 0xc2/0x00   # a comment"), "");
    assert_int_equal(changes, 0);
    assert_string_equal(say("policy commit"), "policy filtered, a list of 2 lines: 4 cores");
    assert_int_equal(changes, 1);
    assert_int_equal(policy.event_count, 2);
    assert_string_equal(say("policy commit"), "policy begin comes first");
    assert_string_equal(say("policy architectural"), "policy filtered, a list of 1 lines: 4 cores");
    assert_int_equal(policy.presets[POLICY_ALLOW], 1 << PRESET_ARCHITECTURAL);
    assert_string_equal(say("policy off"), "policy off: 4 cores");
    assert_int_equal(mode, PMU_OFF);
}

/* What is pasted goes on after a refusal: the commit behind it must not take what is left. */
static void a_wrong_line(void **state)
{
    (void)state;
    say("policy begin");
    say("allow 0xc0/0x00");
    assert_string_equal(say("deny 0xzz"),
                        "line 2 is left out: '0xzz': an event select is a number up "
                        "to 0xfff, or two with '-' between");
    say("allow 0xc4/0x00");
    assert_non_null(strstr(say("deny 0xc4/0x100"), "line 4 is left out: '0xc4/0x100': a umask"));
    assert_string_equal(say("policy commit"),
                        "line 2 was left out: commit again for the 2 that are in the list");
    assert_int_equal(answered, true);
    assert_int_equal(changes, 0);
    say("deny 0xc4/0x01");
    assert_string_equal(say("policy commit"), "policy filtered, a list of 3 lines: 4 cores");
    assert_int_equal(policy.event_count, 3);
    assert_int_equal(policy.events[1].first, 0xc4);
    assert_true(policy.events[2].exclude);
}

static void a_grant_that_cannot_be_given(void **state)
{
    (void)state;
    say("policy begin");
    say("allow core");
    say("allow pebs");
    say("allow lbr");
    assert_string_equal(say("policy commit"), "allow lbr: not here");
    assert_int_equal(answered, true);
    assert_int_equal(changes, 0);
    say("policy begin");
    say("allow core");
    say("allow pebs");
    assert_string_equal(say("policy commit"), "policy filtered, a list of 2 lines: 4 cores");
    assert_int_equal(policy.grants[POLICY_ALLOW], 1 << GRANT_PEBS);
}

static void a_refused_commit_keeps_the_list(void **state)
{
    (void)state;
    say("policy begin");
    say("deny core");
    assert_non_null(strstr(say("policy commit"), "the list allows nothing"));
    say("allow all");
    busy = true;
    assert_non_null(strstr(say("policy commit"), "nothing was changed"));
    busy = false;
    assert_string_equal(say("policy commit"), "policy filtered, a list of 2 lines: 4 cores");
    say("policy begin");
    say("allow x");
    say("policy begin");
    say("allow core");
    assert_string_equal(say("policy commit"), "policy filtered, a list of 1 lines: 4 cores");
}

static void what_was_meant(void **state)
{
    static const struct {
        const char *text, *answer;
    } cases[] = {
        {"allow architectral", "line 1 is left out: 'architectral': did you mean architectural?"},
        {"deny cor", "line 1 is left out: 'cor': did you mean core?"},
        {"allow topdwon", "line 1 is left out: 'topdwon': did you mean topdown?"},
        {"allow core cores", "line 1 is left out: 'cores': one thing per line: nothing may follow"},
        {"allow modifier al",
         "line 1 is left out: 'al': modifiers are edge, inv, cmask, any, in_tx "
         "and eq"},
        {"policy filterd", "policy 'filterd': did you mean filtered?"},
        {"policy archtectural", "policy 'archtectural': did you mean architectural?"},
        {"policy x",
         "use filtered, full, off, architectural, core, all, everything, begin, commit"},
        {"polcy off", "no command 'polcy'; did you mean policy?"},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(cases); i++) {
        say("policy begin");
        assert_string_equal(say(cases[i].text), cases[i].answer);
        assert_true(answered);
    }
    say("policy begin");
    assert_non_null(
        strstr(say("allow BR_INST_RETIRED.NEAR_TAKEN"), "cede-policy knows names of events"));
    assert_int_equal(changes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_list, set_up),
        cmocka_unit_test_setup(a_wrong_line, set_up),
        cmocka_unit_test_setup(a_grant_that_cannot_be_given, set_up),
        cmocka_unit_test_setup(a_refused_commit_keeps_the_list, set_up),
        cmocka_unit_test_setup(what_was_meant, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
