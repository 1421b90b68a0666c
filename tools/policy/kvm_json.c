/* QEMU's kvm-pmu-filter as JSON. What is not exactly as QEMU takes it is refused: a key that is
 * passed over, or a value that is guessed at, may be what kept an event out. */
#include "kvm_text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

struct reader {
    struct kvm_filter *out;
    const char *path;
    char place[32]; /* "events[7]: ", or nothing */
};

enum { FIELDS = 3 };

/* An event's format: its numbers, in the order in which add_event() wants them. */
struct format {
    const char *name;
    bool masked; /* has "exclude" too, and never stands beside the others (QEMU refuses that) */
    struct field {
        const char *name;
        u64 max;
    } fields[FIELDS];
};

/* x86-default is how x86-select-umask was called before it was published. */
static const struct format formats[] = {
    {"raw", false, {{"code", ~0ULL}}},
    {"x86-select-umask", false, {{"select", 0xfff}, {"umask", 0xff}}},
    {"x86-default", false, {{"select", 0xfff}, {"umask", 0xff}}},
    {"x86-masked-entry", true, {{"select", 0xfff}, {"mask", 0xff}, {"match", 0xff}}},
};

static bool __attribute__((format(printf, 2, 3)))
wrong(const struct reader *reader, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "%s: %s", reader->path, reader->place);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return false;
}

static bool missing(const struct reader *reader, const char *key)
{
    return wrong(reader, "\"%s\" is missing", key);
}

/* A number, or a string with one, as QEMU's versions differ. */
static bool number(const json_t *value, u64 max, u64 *out)
{
    if (!json_is_integer(value))
        return json_is_string(value) && kvm_number(json_string_value(value), max, out);
    *out = (u64)json_integer_value(value);
    return json_integer_value(value) >= 0 && *out <= max;
}

static bool take_number(const struct reader *reader, const json_t *object, const char *key, u64 max,
                        u64 *out)
{
    const json_t *value = json_object_get(object, key);

    if (!value)
        return missing(reader, key);
    return number(value, max, out) ||
           wrong(reader, "\"%s\" is not a number from 0 to 0x%llx", key, (unsigned long long)max);
}

static bool take_bool(const struct reader *reader, const json_t *object, const char *key, bool *out)
{
    const json_t *value = json_object_get(object, key);

    if (!value)
        return missing(reader, key);
    *out = json_is_true(value);
    return json_is_boolean(value) || wrong(reader, "\"%s\" is neither true nor false", key);
}

/* --- events ---------------------------------------------------------------------------------- */

static const struct format *find_format(const char *name)
{
    for (size_t i = 0; name && i < COUNT(formats); i++)
        if (!strcmp(name, formats[i].name))
            return &formats[i];
    return NULL;
}

static bool has_field(const struct format *format, const char *key)
{
    for (size_t i = 0; i < FIELDS && format->fields[i].name; i++)
        if (!strcmp(key, format->fields[i].name))
            return true;
    return !strcmp(key, "format") || (format->masked && !strcmp(key, "exclude"));
}

static bool knows_event_keys(const struct reader *reader, const struct format *format,
                             json_t *event)
{
    const char *key;
    json_t *value;

    json_object_foreach(event, key, value)
    {
        if (!strcmp(key, "action"))
            return wrong(reader, "\"action\" belongs to the whole filter, not to an event");
        if (!has_field(format, key))
            return wrong(reader, "\"%s\" is no key of format \"%s\"", key, format->name);
    }
    return true;
}

static void add_event(struct kvm_filter *out, const struct format *format, const u64 *field,
                      bool exclude)
{
    if (format->masked)
        kvm_add(out, kvm_entry(field[0], field[1], field[2], exclude));
    else if (format->fields[1].name)
        kvm_add(out, kvm_entry(field[0], 0xff, field[1], false));
    else
        kvm_add_raw(out, field[0]);
}

static bool take_fields(struct reader *reader, const struct format *format, const json_t *event)
{
    u64 field[FIELDS] = {0};
    bool exclude = false;

    for (size_t i = 0; i < FIELDS && format->fields[i].name; i++)
        if (!take_number(reader, event, format->fields[i].name, format->fields[i].max, &field[i]))
            return false;
    if (format->masked && !take_bool(reader, event, "exclude", &exclude))
        return false;
    add_event(reader->out, format, field, exclude);
    return true;
}

/* All of a filter's events are masked entries or none is: `first` is the first one's format. */
static bool take_event(struct reader *reader, json_t *event, const struct format **first)
{
    const struct format *format = find_format(json_string_value(json_object_get(event, "format")));

    if (!json_is_object(event))
        return wrong(reader, "an event is an object: { ... }");
    if (!format)
        return wrong(reader, "\"format\" is neither \"raw\", \"x86-select-umask\" nor "
                             "\"x86-masked-entry\"");
    if (!knows_event_keys(reader, format, event))
        return false;
    *first = *first ? *first : format;
    if (format->masked != (*first)->masked)
        return wrong(reader, "\"format\" x86-masked-entry and others do not mix in a filter");
    return take_fields(reader, format, event);
}

static bool take_events(struct reader *reader, json_t *events)
{
    const struct format *first = NULL;
    json_t *event;
    size_t i;

    if (!json_is_array(events))
        return wrong(reader, "\"events\" is not a list: [ ... ]");
    if (json_array_size(events) > KVM_EVENTS)
        return wrong(reader, "\"events\" has %zu entries, KVM takes at most %d",
                     json_array_size(events), KVM_EVENTS);
    json_array_foreach(events, i, event)
    {
        snprintf(reader->place, sizeof(reader->place), "events[%zu]: ", i);
        if (!take_event(reader, event, &first))
            return false;
    }
    return true;
}

/* --- the filter ------------------------------------------------------------------------------ */

static bool take_action(struct reader *reader, json_t *value)
{
    const char *action = json_string_value(value);

    if (!action || (strcmp(action, "allow") && strcmp(action, "deny")))
        return wrong(reader, "\"action\" is neither \"allow\" nor \"deny\"");
    reader->out->deny = action[0] == 'd';
    return true;
}

/* A number; QEMU's patches once had {"bitmap": number}. */
static bool take_fixed(struct reader *reader, json_t *value)
{
    bool object = json_is_object(value);
    u64 bitmap;

    if (object && json_object_size(value) == 1)
        value = json_object_get(value, "bitmap");
    if (!number(value, 0xffffffff, &bitmap))
        return wrong(reader, "\"x86-fixed-counter\" is not a number from 0 to 0xffffffff%s",
                     object ? ", nor {\"bitmap\": such a number} and nothing else" : "");
    reader->out->fixed = (u32)bitmap;
    return true;
}

static bool take_type(struct reader *reader, json_t *value)
{
    const char *type = json_string_value(value);

    return (type && !strcmp(type, "kvm-pmu-filter")) ||
           wrong(reader, "\"qom-type\" is not \"kvm-pmu-filter\"");
}

static bool take_id(struct reader *reader, json_t *value)
{
    return json_is_string(value) || wrong(reader, "\"id\" is not a string");
}

static const struct {
    const char *name;
    bool (*take)(struct reader *, json_t *);
} keys[] = {
    {"qom-type", take_type},           {"id", take_id},         {"action", take_action},
    {"x86-fixed-counter", take_fixed}, {"events", take_events},
};

static bool knows_keys(const struct reader *reader, json_t *root)
{
    const char *key;
    json_t *value;

    json_object_foreach(root, key, value)
    {
        bool known = false;

        for (size_t i = 0; i < COUNT(keys); i++)
            known |= !strcmp(key, keys[i].name);
        if (!known)
            return wrong(reader, "\"%s\" is no key of a kvm-pmu-filter", key);
    }
    return true;
}

static bool take_filter(struct reader *reader, json_t *root)
{
    if (!json_is_object(root))
        return wrong(reader, "a filter is an object: { ... }");
    if (!knows_keys(reader, root))
        return false;
    if (!json_object_get(root, "action"))
        return missing(reader, "action");
    for (size_t i = 0; i < COUNT(keys); i++) {
        json_t *value = json_object_get(root, keys[i].name);

        if (value && !keys[i].take(reader, value))
            return false;
    }
    return true;
}

bool kvm_parse_json(struct kvm_filter *out, const char *path, const char *text, size_t size)
{
    struct reader reader = {.out = out, .path = path};
    json_error_t error;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    bool good;

    if (!root) {
        fprintf(stderr, "%s:%d: %s\n", path, error.line, error.text);
        return false;
    }
    good = take_filter(&reader, root);
    json_decref(root);
    return good;
}
