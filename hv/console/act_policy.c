/* The policy command: what the guest's selectors may name, from now on.
 *
 *     policy filtered | full | off            the mode; the list stays
 *     policy architectural | core | all | everything        the list is this preset
 *     policy begin, allow ..., deny ..., policy commit      the list is these lines
 *
 * A list is collected and checked line by line, and put in force as a whole or not at all. A line
 * that is refused is left out, and the first commit after it is refused too: what is pasted goes on
 * regardless. */
#include "console/command.h"
#include "console/guess.h"
#include "hv.h"
#include "counters/pmu.h"
#include "guest/change.h"
#include "pmu/policy_text.h"

#define LIST_EVENTS 1024

static struct {
    struct filter_entry events[LIST_EVENTS];
    struct pmu_policy policy;
    u32 lines;   /* entered, the refused ones included */
    u32 refused; /* the first one of these, since the last commit; 0: none */
    bool begun;
} list;

static bool is(const char *word, const char *name)
{
    while (*word && *word == *name)
        word++, name++;
    return *word == *name;
}

/* Whether `word` is the first one of `text`. */
static bool starts(const char *text, const char *word)
{
    while (*word && *word == *text)
        word++, text++;
    return !*word && (!*text || *text == ' ');
}

static void begin(void)
{
    policy_start(&list.policy, list.events, LIST_EVENTS);
    list.lines = 0;
    list.begun = true;
    list.refused = 0;
}

static u32 length_of(const char *text)
{
    u32 length = 0;

    while (text[length])
        length++;
    return length;
}

/* The line as it was typed: command_run() took it apart in place. Returns its length. */
static u32 join(const struct request *request)
{
    char *text = request->words[0], *last = request->words[request->count - 1];

    for (char *c = text; c < last; c++)
        if (!*c)
            *c = ' ';
    return (u32)(last - text) + length_of(last);
}

/* NULL for what may stand there. */
static const char *meant(const char *word)
{
    struct guess guess = {.word = word};

    for (u32 i = 0; policy_keyword(i); i++)
        guess_consider(&guess, policy_keyword(i));
    return guess.distance ? guess.name : NULL;
}

static void leave_out(struct request *request, const struct policy_error *error)
{
    const char *name = starts(request->words[1], error->word) ? meant(error->word) : NULL;

    if (!list.refused)
        list.refused = list.lines;
    out_fail(request->out,
             name ? "line %u is left out: '%s': did you mean %s?" : "line %u is left out: '%s': %s",
             (u64)list.lines, error->word, name ? name : error->message);
}

static void add(struct request *request, const char *text, u32 length)
{
    struct policy_error error;

    list.lines++;
    if (!policy_parse_line(&list.policy, text, length, &error))
        leave_out(request, &error);
}

void act_rule(struct request *request)
{
    if (!list.begun)
        out_fail(request->out, "policy begin comes first, policy commit last");
    else
        add(request, request->words[0], join(request));
}

static void say_changed(struct out *out, enum pmu_mode mode, const struct pmu_policy *policy,
                        u32 cores)
{
    if (policy)
        out_say(out, "policy %s, a list of %u lines: %u cores", pmu_mode_names[mode],
                (u64)policy->lines, (u64)cores);
    else
        out_say(out, "policy %s: %u cores", pmu_mode_names[mode], (u64)cores);
}

static void change(struct request *request, enum pmu_mode mode, const struct pmu_policy *policy)
{
    u32 cores = guest_change_pmu(request->self, request->guest, mode, policy);

    if (cores == PMU_BUSY)
        out_fail(request->out, "another change is in progress: nothing was changed");
    else
        say_changed(request->out, mode, policy, cores);
}

/* False: said why. */
static bool can_be_given(struct request *request)
{
    enum grant_answer why;
    enum policy_grant grant = pmu_refused(&list.policy, &why);

    if (grant != GRANTS)
        out_fail(request->out, "allow %s: %s", grant_name(grant), grant_text(why));
    return grant == GRANTS;
}

static void commit(struct request *request)
{
    if (!list.begun)
        out_fail(request->out, "policy begin comes first");
    else if (list.refused)
        out_fail(request->out, "line %u was left out: commit again for the %u that are in the list",
                 (u64)list.refused, (u64)list.policy.lines);
    else if (!policy_allows_something(&list.policy))
        out_fail(request->out, "the list allows nothing; policy off means that");
    else if (can_be_given(request))
        change(request, PMU_FILTERED, &list.policy);
    list.refused = 0;
    list.begun = request->out->failed && list.begun;
}

static bool mode_named(const char *word, u32 *mode)
{
    for (*mode = PMU_FILTERED; *mode <= PMU_OFF; ++*mode)
        if (is(word, pmu_mode_names[*mode]))
            return true;
    return false;
}

#define ALLOW "allow "
static const char *const presets[] = {ALLOW "architectural", ALLOW "core", ALLOW "all",
                                      ALLOW "everything"};

static bool preset_rule(const char *word, const char **rule)
{
    for (u32 i = 0; i < COUNT(presets); i++)
        if (is(word, presets[i] + sizeof(ALLOW) - 1))
            *rule = presets[i];
    return *rule;
}

static void unknown_word(struct out *out, const char *word)
{
    struct guess guess = {.word = word};

    for (u32 i = PMU_FILTERED; i <= PMU_OFF; i++)
        guess_consider(&guess, pmu_mode_names[i]);
    for (u32 i = 0; i < COUNT(presets); i++)
        guess_consider(&guess, presets[i] + sizeof(ALLOW) - 1);
    if (guess.name)
        out_fail(out, "policy '%s': did you mean %s?", word, guess.name);
    else
        out_fail(out, "use filtered, full, off, architectural, core, all, everything, begin, "
                      "commit");
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
        add(request, rule, length_of(rule));
        commit(request);
    } else {
        unknown_word(request->out, word);
    }
}
