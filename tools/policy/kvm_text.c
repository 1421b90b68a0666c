/* KVM filters as text: which form it is, the structure's fields, and printing both. */
#include "kvm_text.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_LIMIT = 1 << 20 };

/* KVM_PMU_ENCODE_MASKED_ENTRY: select 7:0 and 35:32, match 15:8, exclude 55, mask 63:56. */
#define MASKED_VALID (MASK(63, 55) | MASK(35, 32) | MASK(15, 0))

bool kvm_number(const char *text, u64 max, u64 *out)
{
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    const char *digits = text + 2 * hex;
    size_t length = strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789");

    if (!length || digits[length] || (!hex && text[0] == '0' && length > 1))
        return false;
    errno = 0;
    *out = strtoull(digits, NULL, hex ? 16 : 10);
    return !errno && *out <= max;
}

/* Select and umask as in a selector. KVM ignores those with other bits, which no selector
 * matches. */
void kvm_add_raw(struct kvm_filter *filter, u64 code)
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

static bool wrong(const char *path, const char *what, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", path, what, why);
    return false;
}

/* --- the structure's fields ------------------------------------------------------------------ */

enum field { ACTION, FLAGS, FIXED, FIELDS };

static const char *const field_names[FIELDS] = {"action", "flags", "fixed_counter_bitmap"};

struct raw {
    struct kvm_filter *out;
    u64 value[FIELDS];
    bool given[FIELDS];
    size_t events;
};

static bool field_value(enum field field, const char *text, u64 *out)
{
    if (field != ACTION)
        return kvm_number(text, field == FLAGS ? 1 : 0xffffffff, out);
    *out = !strcmp(text, "deny");
    return *out || !strcmp(text, "allow");
}

static const char *raw_field(struct raw *raw, enum field field, const char *text)
{
    if (raw->given[field])
        return "given twice";
    if (raw->events)
        return "fields come before the events";
    raw->given[field] = true;
    if (field_value(field, text, &raw->value[field]))
        return NULL;
    return field == ACTION  ? "an action is allow or deny"
           : field == FLAGS ? "flags are 0 or 1"
                            : "the bitmap is a 32-bit number";
}

/* KVM's structure has all of them: one that was left out would be guessed at. */
static const char *raw_missing(const struct raw *raw)
{
    return !raw->given[ACTION]  ? "'action allow' or 'action deny' is missing"
           : !raw->given[FLAGS] ? "'flags 0' or 'flags 1' is missing"
           : !raw->given[FIXED] ? "'fixed_counter_bitmap N' is missing"
                                : NULL;
}

static const char *raw_event(struct raw *raw, const char *text)
{
    u64 code;

    if (!kvm_number(text, ~0ULL, &code))
        return "an event is a 64-bit number";
    if (raw_missing(raw))
        return raw_missing(raw);
    if (raw->events++ == KVM_EVENTS)
        return "KVM takes no more than 300 events";
    if (!raw->value[FLAGS])
        kvm_add_raw(raw->out, code);
    else if (!add_masked(raw->out, code))
        return "not a masked entry: it has bits that KVM refuses";
    return NULL;
}

static const char *raw_line(struct raw *raw, const char *line)
{
    size_t length = strcspn(line, " \t");
    const char *rest = line + length + strspn(line + length, " \t");

    if (isdigit((unsigned char)line[0]))
        return raw_event(raw, line);
    for (enum field field = 0; field < FIELDS; field++)
        if (strlen(field_names[field]) == length && !strncmp(line, field_names[field], length))
            return raw_field(raw, field, rest);
    return "neither 'action', 'flags', 'fixed_counter_bitmap' nor an event";
}

static void strip(char *line)
{
    char *end;

    line[strcspn(line, "#")] = 0;
    for (end = line + strlen(line); end > line && isspace((unsigned char)end[-1]); end--)
        end[-1] = 0;
}

static const char *raw_lines(struct raw *raw, const char *path, char *text)
{
    const char *why = NULL;
    char *line;

    for (unsigned n = 1; !why && (line = strsep(&text, "\n")); n++) {
        strip(line);
        line += strspn(line, " \t");
        why = line[0] ? raw_line(raw, line) : NULL;
        if (why)
            fprintf(stderr, "%s:%u: '%s': %s\n", path, n, line, why);
    }
    return why;
}

static bool parse_raw(struct kvm_filter *out, const char *path, const char *text, size_t size)
{
    struct raw raw = {.out = out};
    char *copy = strndup(text, size);
    bool good = copy && !raw_lines(&raw, path, copy);

    free(copy);
    if (good && raw_missing(&raw))
        return wrong(path, "at its end", raw_missing(&raw));
    out->deny = raw.value[ACTION];
    out->fixed = (u32)raw.value[FIXED];
    return good;
}

bool kvm_parse(struct kvm_filter *out, const char *path, const char *text, size_t size)
{
    size_t blank = 0;

    *out = (struct kvm_filter){0};
    if (memchr(text, 0, size))
        return wrong("cede-policy", path, "not a text file: save it as UTF-8");
    if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
        text += 3;
        size -= 3;
    }
    while (blank < size && isspace((unsigned char)text[blank]))
        blank++;
    if (blank < size && (text[blank] == '{' || text[blank] == '['))
        return kvm_parse_json(out, path, text, size);
    return parse_raw(out, path, text, size);
}

/* -> what is wrong, or NULL */
static const char *read_text(FILE *file, char *text, size_t *size)
{
    *size = fread(text, 1, TEXT_LIMIT, file);
    if (ferror(file))
        return strerror(errno);
    return *size == TEXT_LIMIT ? "larger than 1 MiB: not a filter" : NULL;
}

bool kvm_read(struct kvm_filter *out, const char *path)
{
    FILE *file = strcmp(path, "-") ? fopen(path, "r") : stdin;
    char *text = malloc(TEXT_LIMIT);
    const char *why;
    size_t size;
    bool good;

    *out = (struct kvm_filter){0};
    if (!file || !text) {
        free(text);
        return wrong("cede-policy", path, strerror(errno));
    }
    why = read_text(file, text, &size);
    good = why ? wrong("cede-policy", path, why) : kvm_parse(out, path, text, size);
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
