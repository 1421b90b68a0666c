#include "selftest/report.h"

#include "selftest/evidence.h"
#include "selftest/json.h"
#include "selftest/stick.h"
#include "uefi/text.h"

#define TAIL "\n], \"finished\": false}\n"
#define END  "\n], \"finished\": true}\n"

enum { FACTS = KIB(64), TAIL_SIZE = sizeof TAIL - 1 };

static struct buffer text, json; /* what comes next, in either file */

static bool begin(size_t size)
{
    char *memory = pool_alloc(2 * size);

    if (!memory)
        return false;
    buffer_init(&text, memory, size);
    buffer_init(&json, memory + size, size);
    return true;
}

static const char *file(const struct state *state, const char *ending)
{
    static char path[48];

    text_print(path, sizeof path, "\\CEDE\\%s.%s", state->report, ending);
    return path;
}

static EFI_STATUS append(const struct state *state, size_t back)
{
    EFI_STATUS status = stick_append(file(state, "txt"), 0, text.at, text.used);

    if (!EFI_ERROR(status))
        status = stick_append(file(state, "json"), back, json.at, json.used);
    pool_free(text.at);
    return status;
}

/* By the machine's clock, be it right or not; a letter more where that name is taken. */
static void name_report(struct state *state)
{
    EFI_TIME now = {0};

    RT->GetTime(&now, NULL);
    size_t length =
        text_print(state->report, sizeof state->report - 1, "report-%04u%02u%02u-%02u%02u%02u",
                   now.Year, now.Month, now.Day, now.Hour, now.Minute, now.Second);
    for (char letter = 'b'; letter <= 'z' && stick_has(file(state, "txt")); letter++)
        state->report[length] = letter;
}

void report_fact(const char *name, const char *format, ...)
{
    char value[256];
    va_list args;

    va_start(args, format);
    size_t length = text_format(value, sizeof value, format, args);
    va_end(args);
    buffer_print(&text, "%s: %s\n", name, value);
    buffer_text(&json, json.at[json.used - 1] == '{' ? "\n  " : ",\n  ");
    json_string(&json, name, __builtin_strlen(name));
    buffer_text(&json, ": ");
    json_string(&json, value, length);
}

EFI_STATUS report_begin(struct state *state)
{
    EFI_STATUS status;

    *state = (struct state){0};
    if (!begin(FACTS))
        return EFI_OUT_OF_RESOURCES;
    name_report(state);
    buffer_print(&text, "Cede self-test, %s\n\n", state->report);
    buffer_print(&json, "{\"format\": 1, \"report\": \"%s\", \"machine\": {", state->report);
    evidence();
    buffer_text(&json, "\n}, \"steps\": [" TAIL);
    status = append(state, 0);
    if (EFI_ERROR(status)) {
        stick_remove(file(state, "txt"));
        stick_remove(file(state, "json"));
    }
    return status;
}

EFI_STATUS report_step(const struct state *state, const struct step *step, enum verdict verdict,
                       const char *said, size_t size)
{
    u32 number = state_step(state);
    char name[48];

    if (!begin(JSON_WORST * size + KIB(4)))
        return EFI_OUT_OF_RESOURCES;
    step_name(step, name);
    buffer_print(&text, "\n=== step %u: %s: %s\n", number + 1, name, verdict_text(verdict));
    buffer_add(&text, said, size);
    buffer_print(&json,
                 "%s\n  {\"name\": \"%s\", \"verdict\": \"%s\", \"lines\": ", number ? "," : "",
                 name, verdict_word(verdict));
    json_lines(&json, said, size);
    buffer_text(&json, "}" TAIL);
    return append(state, TAIL_SIZE);
}

const char *report_summary(const struct state *state)
{
    static const char order[] = "ofrlus";
    static char summary[256];
    struct buffer out;

    buffer_init(&out, summary, sizeof summary);
    buffer_print(&out, "%u steps:", state_step(state));
    for (const char *at = order; *at; at++) {
        u32 count = state_count(state, (enum verdict) * at);

        if (count)
            buffer_print(&out, "%s %u %s", out.at[out.used - 1] == ':' ? "" : ",", count,
                         verdict_text((enum verdict) * at));
    }
    return summary;
}

EFI_STATUS report_end(const struct state *state)
{
    if (!begin(KIB(4)))
        return EFI_OUT_OF_RESOURCES;
    buffer_print(&text, "\n=== end: %s\n", report_summary(state));
    buffer_text(&json, END);
    return append(state, TAIL_SIZE);
}
