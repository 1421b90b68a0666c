#include "console/command.h"
#include "console/guess.h"
#include "span.h"

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

const struct command *command_find(const char *name)
{
    for (u32 i = 0; i < command_count; i++)
        if (same(commands[i].name, name))
            return &commands[i];
    return NULL;
}

static enum effect effect_of(const struct command *command, bool arguments)
{
    if (command->effect != CHANGES_WITH_ARGUMENTS)
        return command->effect;
    return arguments ? CHANGES : LOOKS;
}

static struct span word_at(const char *text)
{
    struct span word;

    while (*text == ' ')
        text++;
    for (word.at = word.end = text; *word.end && *word.end != ' ';)
        word.end++;
    return word;
}

enum effect command_effect(const char *text)
{
    struct span name = word_at(text), argument = word_at(name.end);

    for (u32 i = 0; i < command_count; i++)
        if (span_is(name, commands[i].name))
            return effect_of(&commands[i], argument.at < argument.end);
    return LOOKS;
}

/* False when there are more words than any command takes. */
static bool split(struct request *request, char *text)
{
    while (*text) {
        while (*text == ' ')
            *text++ = '\0';
        if (!*text)
            break;
        if (request->count == COMMAND_WORDS)
            return false;
        request->words[request->count++] = text;
        while (*text && *text != ' ')
            text++;
    }
    return true;
}

static void unknown_command(struct out *out, const char *name)
{
    struct guess guess = {.word = name};

    for (u32 i = 0; i < command_count; i++)
        guess_consider(&guess, commands[i].name);
    if (guess.name)
        out_fail(out, "no command '%s'; did you mean %s?", name, guess.name);
    else
        out_fail(out, "no command '%s'; help lists them", name);
}

static void run_checked(struct request *request, bool readonly)
{
    const struct command *command = command_find(request->words[0]);
    u32 arguments = request->count - 1;

    if (!command)
        unknown_command(request->out, request->words[0]);
    else if (arguments < command->least || arguments > command->most)
        out_fail(request->out, "usage: %s %s", command->name, command->arguments);
    else if (readonly && effect_of(command, arguments) != LOOKS)
        out_fail(request->out, "console-lock = readonly in cede.conf: nothing is changed");
    else
        command->run(request);
}

void command_run(struct out *out, struct cpu *self, char *text, bool readonly)
{
    struct request request = {.out = out, .self = self};

    if (!split(&request, text))
        out_fail(out, "too many words; help lists the commands");
    else if (request.count && request.words[0][0] != '#') /* pasted with the policy's lines */
        run_checked(&request, readonly);
}

bool request_number(struct request *request, u32 index, u64 limit, const char *what, u64 *value)
{
    const char *word = request->words[index];
    struct span span = {word, word};

    while (*span.end)
        span.end++;
    if (span_take_number(&span, ~0ULL, value) && span.at == span.end && *value < limit)
        return true;
    out_fail(request->out, "'%s' is no %s: use a number below %u", word, what, limit);
    return false;
}
