#include "selftest/steps.h"

#include "selftest/buffer.h"
#include "uefi/text.h"

/* Debian's kernel. Its initrd has the tests (tools/linux-init/tests/stick). No disk: without NVMe,
 * its only built-in driver of one, it sees none. No log into the firmware's own storage. The reset
 * is the firmware's, and warm. */
#define LINUX_OPTIONS                                                                 \
    "initrd=\\CEDE\\initrd.gz initrd=\\CEDE\\perf.gz cede.test=stick quiet panic=-1 " \
    "reboot=warm,efi initcall_blacklist=nvme_init erst_disable console=tty0 "         \
    "console=ttyS0,115200"

/* The guest tests that judge any machine, those that measure it, and Linux. Not here: `pmi` and
 * `walk`, and the verdicts of `exact`, whose rules are the model's (docs/pmu-model.md), and those
 * that provoke Cede's refusals or faults. `careful`: memory that firmware calls reserved is read,
 * not written. */
static const struct {
    const char *program, *options;
    u32 seconds;
} tests[] = {
    {"basic", "careful", 60},  {"mp", "", 60},
    {"cpl3", "", 60},          {"smp", "", 120},
    {"apicpage", "", 30},      {"startstorm", "rounds=8 no-odd", 60},
    {"pmu", "", 60},           {"cost", "", 60},
    {"msrs", "", 60},          {"measure", "", 120},
    {"exact", "measure", 120}, {"linux", LINUX_OPTIONS, 120},
};

static const struct step first[STEP_NUMBER_TESTS] = {
    [STEP_NUMBER_CHECK] = {STEP_CHECK, "cede", "--check", 20},
    [STEP_NUMBER_MEMORY] = {STEP_MEMORY, "", "", 60},
};

static const struct step again = {STEP_AGAIN, "measure", "", 120};

static struct step extra[32];
static u32 extra_count;
static bool only_extra;

static u32 table_count(void)
{
    return only_extra ? 0 : COUNT(tests);
}

static u32 again_count(void)
{
    return only_extra ? 0 : 1;
}

/* The next blank-separated word of a line, or with `all` the rest of it; behind it. */
static const char *take(const char *at, const char *end, bool all, char *out, size_t size)
{
    size_t length = 0;

    while (at < end && *at == ' ')
        at++;
    for (; at < end && (all || *at != ' '); at++)
        if (length + 1 < size && *at != '\r')
            out[length++] = *at;
    out[length] = 0;
    return at;
}

/* `=SECONDS` behind a kind. */
static u32 seconds_of(const char *kind)
{
    u32 seconds = 0;

    while (*kind && *kind != '=')
        kind++;
    for (kind += *kind == '='; *kind >= '0' && *kind <= '9'; kind++)
        seconds = seconds * 10 + (u32)(*kind - '0');
    return seconds;
}

static void set_options(struct step *step, const char *options)
{
    struct buffer out;

    buffer_init(&out, step->options, sizeof step->options);
    buffer_text(&out, options);
}

/* What a line has not said. */
static void complete(struct step *step)
{
    for (u32 i = 0; i < COUNT(tests); i++) {
        if (!text_equal(step->program, tests[i].program))
            continue;
        if (!step->options[0])
            set_options(step, tests[i].options);
        if (!step->seconds)
            step->seconds = tests[i].seconds;
    }
    if (!step->seconds)
        step->seconds = 60;
}

static void add_line(const char *at, const char *end)
{
    struct step step = {0};
    char kind[12];

    at = take(at, end, false, kind, sizeof kind);
    only_extra |= kind[0] == 'o';
    at = take(at, end, false, step.program, sizeof step.program);
    take(at, end, true, step.options, sizeof step.options);
    step.seconds = seconds_of(kind);
    step.kind = kind[0] == 'c' ? STEP_CEDE : STEP_BARE;
    complete(&step);
    if ((kind[0] == 'b' || kind[0] == 'c') && step.program[0] && extra_count < COUNT(extra))
        extra[extra_count++] = step;
}

void steps_add(const char *text, size_t size)
{
    const char *end = text + size;

    for (const char *at = text, *line; at < end; at++) {
        line = at;
        while (at < end && *at != '\n')
            at++;
        add_line(line, at);
    }
}

u32 steps_count(void)
{
    return STEP_NUMBER_TESTS + 2 * table_count() + again_count() + extra_count;
}

static struct step test_step(enum step_kind kind, u32 number)
{
    struct step step = {.kind = kind, .seconds = tests[number].seconds};
    struct buffer program;

    buffer_init(&program, step.program, sizeof step.program);
    buffer_text(&program, tests[number].program);
    set_options(&step, tests[number].options);
    return step;
}

struct step step_get(u32 number)
{
    if (number < STEP_NUMBER_TESTS)
        return first[number];
    number -= STEP_NUMBER_TESTS;
    if (number < table_count())
        return test_step(STEP_BARE, number);
    number -= table_count();
    if (number < again_count())
        return again;
    number -= again_count();
    if (number < table_count())
        return test_step(STEP_CEDE, number);
    return extra[number - table_count()];
}

void step_name(const struct step *step, char out[48])
{
    static const char *const names[] = {"check", "memory", "bare ", "cede ", "again "};
    struct buffer name;
    bool is_test = step->kind >= STEP_BARE;

    buffer_init(&name, out, 48);
    buffer_print(&name, "%s%s", names[step->kind], is_test ? step->program : "");
}

u32 step_patience(const struct step *step)
{
    return 4 * step->seconds;
}

static enum verdict verdict_of(const struct state *state, u32 number)
{
    return (enum verdict)(number < state_step(state) ? state->verdicts[number] : 0);
}

enum verdict step_forbidden(const struct step *step, const struct state *state)
{
    bool refuses = verdict_of(state, STEP_NUMBER_CHECK) != VERDICT_OK;

    return step->kind == STEP_CEDE && refuses ? VERDICT_SKIPPED : 0;
}

/* What Cede says of its own faults; the core is stopped, and the rest may go on. */
static bool has_panic(const char *text, size_t size)
{
    static const char panic[] = "cede: panic: ";
    size_t length = sizeof panic - 1;

    for (size_t at = 0; at + length <= size; at++)
        if (!__builtin_memcmp(text + at, panic, length))
            return true;
    return false;
}

/* The last line that a guest test writes; the code behind it, or -1. */
static int exit_code(const char *text, size_t size)
{
    static const char done[] = "info: done, exit code ";
    size_t length = sizeof done - 1;

    for (size_t at = 0; at + length < size; at++)
        if (!__builtin_memcmp(text + at, done, length) && (!at || text[at - 1] == '\n'))
            return text[at + length] - '0';
    return -1;
}

enum verdict step_outcome(const struct step *step, const struct state *state, const char *text,
                          size_t size)
{
    int code = exit_code(text, size);
    bool keeps = verdict_of(state, STEP_NUMBER_MEMORY) == VERDICT_OK;

    if (code >= 0)
        return code || has_panic(text, size) ? VERDICT_FAILED : VERDICT_OK;
    if (step->kind == STEP_MEMORY || (step->kind != STEP_CHECK && !size && !keeps))
        return VERDICT_UNKNOWN;
    return VERDICT_LOST;
}
