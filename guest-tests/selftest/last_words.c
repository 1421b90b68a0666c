#include "selftest/last_words.h"

#include "lib/kept_text.h"

#define LINE 256 /* no line of Cede's is longer */

/* From `at` on; returns where the next line begins. */
static u32 add_line(struct kept *step, const char *text, u32 at, u32 end)
{
    char line[LINE];
    u32 length = 0;

    for (; at < end && text[at] != '\n'; at++)
        if (length < LINE - 1)
            line[length++] = text[at];
    line[length] = 0;
    kept_put(step, "cede: ");
    kept_put(step, line);
    kept_put(step, "\n");
    return at + 1;
}

static bool ends_within_a_line(const struct kept *step)
{
    u32 used = kept_used(step);

    return used && step->payload[used - 1] != '\n';
}

void last_words_add(struct kept *step, const struct kept *cede)
{
    u32 end = MIN(kept_used(cede), (u32)KEPT_TEXT);

    if (end && ends_within_a_line(step))
        kept_put(step, "\n");
    for (u32 at = 0; at < end;)
        at = add_line(step, (const char *)cede->payload, at, end);
}
