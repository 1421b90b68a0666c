#include "selftest/state.h"

#include "selftest/buffer.h"

#define HEAD "Where the self-test stands; do not edit\nreport "

static const struct {
    enum verdict verdict;
    const char *word, *text;
} verdicts[] = {
    {VERDICT_OK, "ok", "ok"},
    {VERDICT_FAILED, "failed", "FAILED"},
    {VERDICT_REFUSED, "not-started", "did not start"},
    {VERDICT_LOST, "not-back", "did not come back (hung, reset or lost power)"},
    {VERDICT_UNKNOWN, "lost", "result lost: the machine does not keep memory over a warm reset"},
    {VERDICT_SKIPPED, "skipped", "skipped: Cede would refuse to start"},
};

const char *verdict_text(enum verdict verdict)
{
    for (u32 i = 0; i < COUNT(verdicts); i++)
        if (verdicts[i].verdict == verdict)
            return verdicts[i].text;
    return NULL;
}

const char *verdict_word(enum verdict verdict)
{
    for (u32 i = 0; i < COUNT(verdicts); i++)
        if (verdicts[i].verdict == verdict)
            return verdicts[i].word;
    return NULL;
}

void state_format(const struct state *state, char text[STATE_SIZE])
{
    struct buffer out;

    buffer_init(&out, text, STATE_SIZE);
    buffer_print(&out, HEAD "%s\nverdicts %s\n%s\n%s\n", state->report, state->verdicts,
                 state->finished  ? "finished"
                 : state->started ? "started"
                                  : "between",
                 state->cut ? "cut" : "whole");
    buffer_text(&out, "end\n");
    while (out.used < STATE_SIZE - 1)
        buffer_text(&out, "\n");
    text[STATE_SIZE - 1] = '\n';
}

/* Behind `start` in the text, which moves on; NULL when something else stands there. */
static const char *after(const char *at, const char *start)
{
    while (at && *start)
        at = *at++ == *start++ ? at : NULL;
    return at;
}

/* The rest of the line; NULL when it does not fit. */
static const char *word(const char *at, char *out, size_t size)
{
    size_t length = 0;

    for (; at && at[length] != '\n'; length++) {
        if (length + 1 >= size || !at[length])
            return NULL;
        out[length] = at[length];
    }
    out[at ? length : 0] = 0;
    return at ? at + length + 1 : NULL;
}

static bool verdicts_known(const char *text)
{
    for (; *text; text++)
        if (!verdict_text((enum verdict) * text))
            return false;
    return true;
}

static bool parse(const char *at, struct state *state)
{
    char mode[16], whole[8];

    at = after(at, HEAD);
    at = after(word(at, state->report, sizeof state->report), "verdicts ");
    at = word(at, state->verdicts, sizeof state->verdicts);
    at = word(at, mode, sizeof mode);
    at = word(at, whole, sizeof whole);
    state->started = at && mode[0] == 's';
    state->finished = at && mode[0] == 'f';
    state->cut = at && whole[0] == 'c';
    return after(at, "end\n") && state->report[0] && verdicts_known(state->verdicts);
}

bool state_parse(const char *text, size_t size, struct state *state)
{
    char copy[STATE_SIZE + 1] = "";

    __builtin_memcpy(copy, text, MIN(size, STATE_SIZE));
    *state = (struct state){0};
    if (parse(copy, state))
        return true;
    *state = (struct state){0};
    return false;
}

u32 state_step(const struct state *state)
{
    return (u32)__builtin_strlen(state->verdicts);
}

void state_end_step(struct state *state, enum verdict verdict)
{
    u32 step = state_step(state);

    state->started = false;
    if (step < STATE_STEPS)
        state->verdicts[step] = (char)verdict;
}

u32 state_count(const struct state *state, enum verdict verdict)
{
    u32 count = 0;

    for (const char *at = state->verdicts; *at; at++)
        count += *at == (char)verdict;
    return count;
}
