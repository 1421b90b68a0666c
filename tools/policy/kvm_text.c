/* KVM filters as text: reading and printing. */
#include "kvm.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

enum { TEXT_LIMIT = 1 << 20 };

/* KVM_PMU_ENCODE_MASKED_ENTRY: select 7:0 and 35:32, match 15:8, exclude 55, mask 63:56. */
#define MASKED_VALID (MASK(63, 55) | MASK(35, 32) | MASK(15, 0))

/* An event of a filter without the flag: select and umask as in a selector. KVM ignores those with
 * other bits, which no selector matches. */
static void add_raw(struct kvm_filter *filter, u64 code)
{
    if (!(code & ~(MASK(35, 32) | MASK(15, 0))))
        kvm_add(filter,
                kvm_entry((code & 0xff) | (code >> 24 & 0xf00), 0xff, code >> 8 & 0xff, false));
}

static bool add_masked(struct kvm_filter *filter, u64 code)
{
    if (code & ~MASKED_VALID)
        return false;
    kvm_add(filter, kvm_entry((code & 0xff) | (code >> 24 & 0xf00), code >> 56, code >> 8 & 0xff,
                              code & BIT(55)));
    return true;
}

/* --- JSON ------------------------------------------------------------------------------------ */

static bool wrong(const char *path, const char *what, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", path, what, why);
    return false;
}

/* A number, or a string with one in C's notation, as QEMU's versions differ. */
static bool number(const json_t *value, u64 max, u64 *out)
{
    const char *text = json_string_value(value);
    char *end;

    if (json_is_integer(value)) {
        *out = (u64)json_integer_value(value);
        return json_integer_value(value) >= 0 && *out <= max;
    }
    if (!text || !isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    *out = strtoull(text, &end, 0);
    return !*end && !errno && *out <= max;
}

static bool field(const json_t *event, const char *name, u64 max, u64 *out)
{
    return number(json_object_get(event, name), max, out);
}

static const char *json_event(struct kvm_filter *out, const json_t *event)
{
    const char *format = json_string_value(json_object_get(event, "format"));
    u64 code, select, umask, mask;

    if (!format)
        return "an event needs a \"format\"";
    if (!strcmp(format, "raw")) {
        if (!field(event, "code", ~0ULL, &code))
            return "\"raw\" needs a number \"code\"";
        add_raw(out, code);
    } else if (!strcmp(format, "x86-select-umask") || !strcmp(format, "x86-default")) {
        if (!field(event, "select", 0xfff, &select) || !field(event, "umask", 0xff, &umask))
            return "it needs numbers \"select\" up to 0xfff and \"umask\" up to 0xff";
        kvm_add(out, kvm_entry(select, 0xff, umask, false));
    } else if (!strcmp(format, "x86-masked-entry")) {
        if (!field(event, "select", 0xfff, &select) || !field(event, "mask", 0xff, &mask) ||
            !field(event, "match", 0xff, &umask))
            return "it needs numbers \"select\" up to 0xfff, \"mask\" and \"match\" up to 0xff";
        kvm_add(out,
                kvm_entry(select, mask, umask, json_is_true(json_object_get(event, "exclude"))));
    } else {
        return "\"format\" is raw, x86-select-umask or x86-masked-entry";
    }
    return NULL;
}

static bool json_events(struct kvm_filter *out, const char *path, const json_t *events)
{
    const json_t *event;
    size_t i;

    if (events && !json_is_array(events))
        return wrong(path, "\"events\"", "not a list");
    json_array_foreach(events, i, event)
    {
        const char *why = json_event(out, event);
        char what[32];

        snprintf(what, sizeof(what), "events[%zu]", i);
        if (why)
            return wrong(path, what, why);
    }
    return true;
}

static bool json_filter(struct kvm_filter *out, const char *path, const json_t *root)
{
    const char *action = json_string_value(json_object_get(root, "action"));
    const json_t *fixed = json_object_get(root, "x86-fixed-counter");
    u64 bitmap = 0;

    if (!action || (strcmp(action, "allow") && strcmp(action, "deny")))
        return wrong(path, "\"action\"", "neither \"allow\" nor \"deny\"");
    if (json_is_object(fixed))
        fixed = json_object_get(fixed, "bitmap");
    if (fixed && !number(fixed, 0xffffffff, &bitmap))
        return wrong(path, "\"x86-fixed-counter\"", "not a 32-bit number");
    out->deny = action[0] == 'd';
    out->fixed = (u32)bitmap;
    return json_events(out, path, json_object_get(root, "events"));
}

static bool parse_json(struct kvm_filter *out, const char *path, const char *text, size_t size)
{
    json_error_t error;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    bool good;

    if (!root) {
        fprintf(stderr, "%s:%d: %s\n", path, error.line, error.text);
        return false;
    }
    good = json_filter(out, path, root);
    json_decref(root);
    return good;
}

/* --- the structure's fields ------------------------------------------------------------------ */

struct raw {
    struct kvm_filter *out;
    u64 flags;
};

/* Sets *out if `line` is `name number`. */
static bool raw_field(const char *line, const char *name, u64 max, u64 *out)
{
    size_t length = strlen(name);
    char *end;

    if (strncmp(line, name, length) || !isspace((unsigned char)line[length]))
        return false;
    *out = strtoull(line + length, &end, 0);
    return !*end && *out <= max;
}

static const char *raw_line(struct raw *raw, const char *line)
{
    u64 value;
    char *end;

    if (!strcmp(line, "action allow") || !strcmp(line, "action deny")) {
        raw->out->deny = line[7] == 'd';
    } else if (raw_field(line, "flags", 1, &value)) {
        raw->flags = value;
    } else if (raw_field(line, "fixed_counter_bitmap", 0xffffffff, &value)) {
        raw->out->fixed = (u32)value;
    } else if (isdigit((unsigned char)line[0])) {
        errno = 0;
        value = strtoull(line, &end, 0);
        if (*end || errno)
            return "an event is a 64-bit number";
        if (!raw->flags)
            add_raw(raw->out, value);
        else if (!add_masked(raw->out, value))
            return "not a masked entry: it has bits that KVM refuses";
    } else {
        return "neither 'action allow', 'action deny', 'flags 0', 'flags 1', "
               "'fixed_counter_bitmap N' nor an event";
    }
    return NULL;
}

static void strip(char *line)
{
    char *end;

    line[strcspn(line, "#")] = 0;
    for (end = line + strlen(line); end > line && isspace((unsigned char)end[-1]); end--)
        end[-1] = 0;
}

static bool parse_raw(struct kvm_filter *out, const char *path, const char *text, size_t size)
{
    struct raw raw = {.out = out};
    char *copy = strndup(text, size), *rest = copy, *line;
    const char *why = NULL;

    for (unsigned n = 1; !why && (line = strsep(&rest, "\n")); n++) {
        strip(line);
        line += strspn(line, " \t");
        why = line[0] ? raw_line(&raw, line) : NULL;
        if (why)
            fprintf(stderr, "%s:%u: '%s': %s\n", path, n, line, why);
    }
    free(copy);
    return !why;
}

bool kvm_parse(struct kvm_filter *out, const char *path, const char *text, size_t size)
{
    size_t blank = 0;

    *out = (struct kvm_filter){0};
    while (blank < size && isspace((unsigned char)text[blank]))
        blank++;
    if (blank < size && text[blank] == '{')
        return parse_json(out, path, text, size);
    return parse_raw(out, path, text, size);
}

bool kvm_read(struct kvm_filter *out, const char *path)
{
    FILE *file = strcmp(path, "-") ? fopen(path, "r") : stdin;
    char *text = malloc(TEXT_LIMIT);
    size_t size;
    bool good;

    *out = (struct kvm_filter){0};
    if (!file || !text) {
        free(text);
        return wrong("cede-policy", path, strerror(errno));
    }
    size = fread(text, 1, TEXT_LIMIT, file);
    good = size < TEXT_LIMIT ? kvm_parse(out, path, text, size)
                             : wrong("cede-policy", path, "larger than 1 MiB: not a filter");
    free(text);
    if (file != stdin)
        fclose(file);
    return good;
}

/* --- printing -------------------------------------------------------------------------------- */

void kvm_print_json(const struct kvm_filter *filter, FILE *to)
{
    fprintf(to,
            "{\"qom-type\": \"kvm-pmu-filter\", \"id\": \"cede\", \"action\": \"%s\",\n"
            " \"x86-fixed-counter\": %u,\n \"events\": [",
            filter->deny ? "deny" : "allow", filter->fixed);
    for (size_t i = 0; i < filter->count; i++) {
        const struct filter_entry *e = &filter->events[i];

        fprintf(to,
                "%s\n  {\"format\": \"x86-masked-entry\", \"select\": %u, \"mask\": %u, "
                "\"match\": %u, \"exclude\": %s}",
                i ? "," : "", e->first, e->mask, e->match, e->exclude ? "true" : "false");
    }
    fputs("]}\n", to);
}

void kvm_print_raw(const struct kvm_filter *filter, FILE *to)
{
    fprintf(to, "action %s\nflags 1\nfixed_counter_bitmap 0x%x\n", filter->deny ? "deny" : "allow",
            filter->fixed);
    for (size_t i = 0; i < filter->count; i++) {
        const struct filter_entry *e = &filter->events[i];

        fprintf(to, "0x%016llx\n",
                (unsigned long long)((e->first & 0xff) | (u64)(e->first >> 8) << 32 |
                                     (u64)e->match << 8 | (u64)e->exclude << 55 |
                                     (u64)e->mask << 56));
    }
}
