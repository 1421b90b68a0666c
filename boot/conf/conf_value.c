#include "conf/conf_value.h"

#include "uefi/text.h"

const struct choice pmu_modes[] = {
    {"filtered", PMU_FILTERED}, {"full", PMU_FULL}, {"off", PMU_OFF}, {0}};
const struct choice on_off[] = {{"on", 1}, {"off", 0}, {0}};

bool reject(struct parser *p, const char *format, ...)
{
    size_t used = text_print(p->error, CONF_ERROR, "cede.conf:%u: ", p->line);
    va_list args;

    va_start(args, format);
    text_format(p->error + used, CONF_ERROR - used, format, args);
    va_end(args);
    return false;
}

struct span trim(struct span s)
{
    while (s.at < s.end && is_blank(*s.at))
        s.at++;
    while (s.at < s.end && is_blank(s.end[-1]))
        s.end--;
    return s;
}

const char *shown(struct span s, char out[24])
{
    size_t n = MIN(span_length(s), (size_t)23);

    for (size_t i = 0; i < n; i++)
        out[i] = s.at[i] >= ' ' && s.at[i] < 127 ? s.at[i] : '?';
    out[n] = 0;
    return out;
}

const struct choice *find_choice(const struct choice *choices, struct span value)
{
    for (; choices->name; choices++)
        if (span_is(value, choices->name))
            return choices;
    return NULL;
}

char *field_of(struct parser *p, const struct key *key)
{
    return (char *)p->now.base + key->offset;
}

bool set_text(struct parser *p, const struct key *key, struct span value)
{
    char *field = field_of(p, key);
    size_t n = span_length(value);

    if (n >= key->size)
        return reject(p, "'%s' is longer than %u bytes", key->name, (unsigned)key->size - 1);
    for (size_t i = 0; i < n; i++)
        field[i] = value.at[i];
    field[n] = 0;
    return true;
}

bool set_path(struct parser *p, const struct key *key, struct span value)
{
    char *field = field_of(p, key);
    size_t used = 0;

    if (span_length(value) + 2 > key->size)
        return reject(p, "'%s' is longer than %u bytes", key->name, (unsigned)key->size - 2);
    if (span_length(value) && *value.at != '\\' && *value.at != '/')
        field[used++] = '\\';
    for (; value.at < value.end; value.at++)
        field[used++] = *value.at == '/' ? '\\' : *value.at;
    field[used] = 0;
    return true;
}

/* "a, b or c" */
static const char *choice_list(const struct choice *choices, char out[48])
{
    size_t used = 0;

    out[0] = 0;
    for (const struct choice *c = choices; c->name; c++)
        used += text_print(out + used, 48 - used, "%s%s",
                           c == choices ? "" : (c[1].name ? ", " : " or "), c->name);
    return out;
}

bool set_choice(struct parser *p, const struct key *key, struct span value)
{
    const struct choice *choice = find_choice(key->choices, value);
    char buffer[24], list[48];

    if (!choice)
        return reject(p, "%s = %s: use %s", key->name, shown(value, buffer),
                      choice_list(key->choices, list));
    *(u8 *)field_of(p, key) = (u8)choice->value;
    return true;
}

bool number(struct span s, u32 max, u32 *out)
{
    u64 value;

    if (!span_take_number(&s, max, &value) || s.at < s.end)
        return false;
    *out = (u32)value;
    return true;
}

/* Edits (insert, delete, replace) that turn `name` into `word`, for "did you mean". */
static unsigned edits(struct span word, const char *name)
{
    unsigned row[24];
    unsigned width = (unsigned)span_length(word);

    if (width >= COUNT(row))
        return 99;
    for (unsigned x = 0; x <= width; x++)
        row[x] = x;
    for (unsigned y = 1; *name; name++, y++) {
        unsigned diagonal = row[0];
        row[0] = y;
        for (unsigned x = 1; x <= width; x++) {
            unsigned replace = diagonal + (word.at[x - 1] != *name);
            diagonal = row[x];
            row[x] = MIN(replace, MIN(row[x], row[x - 1]) + 1);
        }
    }
    return row[width];
}

static bool unknown_key(struct parser *p, struct span name)
{
    const struct key *best = NULL;
    unsigned fewest = 3;
    char buffer[24];

    for (const struct key *key = p->now.keys; key < p->now.keys + p->now.count; key++) {
        unsigned n = edits(name, key->name);
        if (n < fewest) {
            fewest = n;
            best = key;
        }
    }
    if (best)
        return reject(p, "unknown key '%s' (did you mean '%s'?)", shown(name, buffer), best->name);
    return reject(p, "unknown key '%s' (docs/cede.conf.md lists them)", shown(name, buffer));
}

/* Two names for one field are one setting. */
static u32 *line_of(const struct section *now, const struct key *key)
{
    unsigned i = 0;

    while (now->keys[i].offset != key->offset || now->keys[i].set != key->set)
        i++;
    return &now->seen[i];
}

bool parse_setting(struct parser *p, struct span name, struct span value)
{
    for (const struct key *key = p->now.keys; key < p->now.keys + p->now.count; key++) {
        u32 *seen = line_of(&p->now, key);

        if (!span_is(name, key->name))
            continue;
        if (*seen)
            return reject(p, "'%s' is set already on line %u: keep one of them", key->name, *seen);
        *seen = p->line;
        return key->set(p, key, value);
    }
    return unknown_key(p, name);
}
