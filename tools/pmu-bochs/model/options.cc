#include "options.h"

#include <cstdlib>
#include <cstring>

namespace pmu
{

static const struct {
    const char *name;
    unsigned Options::*field;
    unsigned least, most;
    const char *words[2]; /* for 0 and 1, in place of a number */
} names[] = {
    {"version", &Options::version, 1, 6, {}},
    {"gp", &Options::gp, 1, 8, {}},
    {"fixed", &Options::fixed, 0, 4, {}},
    {"width", &Options::width, 32, 60, {}},
    {"full_width", &Options::full_width, 0, 1, {}},
    {"metrics", &Options::metrics, 0, 1, {}},
    {"lbr", &Options::lbr, 0, 1, {"legacy", "arch"}},
    {"pebs", &Options::pebs, 0, 5, {}},
    {"v2", &Options::v2, 0, 1, {}},
    {"vmrun", &Options::vmrun, 0, 1, {}},
    {"lbrv2", &Options::lbrv2, 0, 1, {}},
    {"lbrv", &Options::lbrv, 0, 1, {}},
    {"ibs", &Options::ibs, 0, 1, {}},
    {"skid", &Options::skid, 0, 1000000, {}},
    {"reboots", &Options::reboots, 0, 1000000, {}},
    {"report", &Options::report, 0, 1023, {}},
};

/* -> its end, or `text` where it is neither a number nor one of the words */
static const char *parse_value(const char *text, const char *const words[2], unsigned long *value)
{
    for (unsigned k = 0; k < 2 && words[0]; k++) {
        size_t length = strlen(words[k]);
        *value = k;
        if (strncmp(text, words[k], length) == 0)
            return text + length;
    }
    char *end;
    *value = strtoul(text, &end, 0);
    return end;
}

/* -> the end of one name=value, or null */
static const char *parse_one(const char *text, Options *options)
{
    for (const auto &known : names) {
        size_t length = strlen(known.name);
        if (strncmp(text, known.name, length) != 0 || text[length] != '=')
            continue;
        unsigned long value;
        const char *end = parse_value(text + length + 1, known.words, &value);
        bool complete = end != text + length + 1 && (*end == ' ' || *end == 0);
        if (!complete || value < known.least || value > known.most)
            return nullptr;
        options->*known.field = (unsigned)value;
        return end;
    }
    return nullptr;
}

const char *parse_options(const char *text, Options *options)
{
    while (*text) {
        const char *end = parse_one(text, options);
        if (!end)
            return text;
        text = end + strspn(end, " ");
    }
    if (options->version < 2)
        options->fixed = 0;
    if (options->version < 5 || options->pebs < 4)
        options->pebs = 0;
    if (options->fixed < 4)
        options->metrics = 0;
    if (!options->v2)
        options->lbrv2 = 0;
    return nullptr;
}

} // namespace pmu
