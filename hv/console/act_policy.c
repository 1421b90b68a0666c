/* The policy command: what the guest's selectors may name, from now on.
 *
 *     policy filtered | full | off            the mode; the list stays
 *     policy architectural | core | all       the list is this preset
 *     policy begin, allow ..., deny ..., policy commit      the list is these lines
 *
 * A list is collected and checked line by line, and put in force as a whole or not at all. */
#include "console/command.h"
#include "console/line.h"
#include "hv.h"
#include "counters/pmu.h"
#include "guest/change.h"
#include "pmu/policy_text.h"

#define LIST_EVENTS 1024

static struct {
    struct filter_entry events[LIST_EVENTS];
    struct pmu_policy policy;
    u32 lines;
    bool begun, bad;
} list;

static bool is(const char *word, const char *name)
{
    while (*word && *word == *name)
        word++, name++;
    return *word == *name;
}

static void begin(void)
{
    policy_start(&list.policy, list.events, LIST_EVENTS);
    list.lines = 0;
    list.begun = true;
    list.bad = false;
}

/* The words of a command, apart by single blanks again. */
static u32 join(const struct request *request, char *text, u32 size)
{
    u32 length = 0;

    for (u32 i = 0; i < request->count; i++) {
        for (const char *c = request->words[i]; *c && length < size - 1; c++)
            text[length++] = *c;
        if (i + 1 < request->count && length < size - 1)
            text[length++] = ' ';
    }
    text[length] = '\0';
    return length;
}

static bool add(struct out *out, const char *text, u32 length)
{
    struct policy_error error;

    list.lines++;
    if (policy_parse_line(&list.policy, text, length, &error))
        return true;
    list.bad = true;
    out_fail(out, "line %u: '%s': %s", (u64)list.lines, error.word, error.message);
    return false;
}

void act_rule(struct request *request)
{
    char text[LINE_SIZE];
    u32 length = join(request, text, sizeof(text));

    if (!list.begun)
        out_fail(request->out, "policy begin comes first, policy commit last");
    else
        add(request->out, text, length);
}

static void change(struct request *request, enum pmu_mode mode, const struct pmu_policy *policy)
{
    u32 cores = guest_change_pmu(request->self, request->guest, mode, policy);

    if (cores == PMU_BUSY)
        out_fail(request->out, "another change is in progress: nothing was changed");
    else
        out_say(request->out, "policy %s%s: %u cores", pmu_mode_names[mode],
                policy ? ", another list" : "", (u64)cores);
}

static void commit(struct request *request)
{
    if (!list.begun || list.bad)
        out_fail(request->out, list.bad ? "a line of the list is wrong: policy begin starts again"
                                        : "policy begin comes first");
    else if (!policy_allows_something(&list.policy))
        out_fail(request->out, "the list allows nothing; policy off means that");
    else
        change(request, PMU_FILTERED, &list.policy);
    list.begun = request->out->failed && list.begun;
}

static bool mode_named(const char *word, u32 *mode)
{
    for (*mode = PMU_FILTERED; *mode <= PMU_OFF; ++*mode)
        if (is(word, pmu_mode_names[*mode]))
            return true;
    return false;
}

static bool preset_rule(const char *word, const char **rule)
{
    static const char *const rules[] = {"allow architectural", "allow core", "allow all"};

    for (u32 i = 0; i < COUNT(rules); i++)
        if (is(word, rules[i] + sizeof("allow")))
            *rule = rules[i];
    return *rule;
}

static u32 length_of(const char *text)
{
    u32 length = 0;

    while (text[length])
        length++;
    return length;
}

void act_policy(struct request *request)
{
    const char *word = request->words[1], *rule = NULL;
    u32 mode;

    if (is(word, "begin")) {
        begin();
        out_say(request->out, "a list begins: allow and deny lines, then policy commit");
    } else if (is(word, "commit")) {
        commit(request);
    } else if (mode_named(word, &mode)) {
        change(request, mode, NULL);
    } else if (preset_rule(word, &rule)) {
        begin();
        if (add(request->out, rule, length_of(rule)))
            commit(request);
    } else {
        out_fail(request->out, "use filtered, full, off, architectural, core, all, begin, commit");
    }
}
