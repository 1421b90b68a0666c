#include "selftest/last_words.h"

#include "lib/kept_text.h"

static bool ends_within_a_line(const struct kept *step)
{
    u32 used = kept_used(step);

    return used && step->payload[used - 1] != '\n';
}

void last_words_add(struct kept *step, const struct kept *cede)
{
    char line[KEPT_LINE];
    u32 end = kept_text_used(cede);

    if (end && ends_within_a_line(step))
        kept_put(step, "\n");
    for (u32 at = 0; at < end;) {
        at = kept_next_line(cede, at, line);
        kept_put(step, "cede: ");
        kept_put(step, line);
        kept_put(step, "\n");
    }
}
