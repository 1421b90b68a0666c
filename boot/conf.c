#include "conf.h"

#include "pmu/policy_text.h"
#include "span.h"
#include "text.h"

struct key;

struct parser {
    struct conf *conf;
    unsigned line;
    unsigned seen[16]; /* line that set keys[i], 0: none */
    char *error;
};

struct choice {
    const char *name;
    u32 value;
};

struct key {
    const char *name;
    bool (*set)(struct parser *, const struct key *, struct span);
    size_t offset; /* of the field in struct conf */
    size_t size;
    const struct choice *choices;
};

static const struct choice pmu_modes[] = {
    {"filtered", PMU_FILTERED}, {"full", PMU_FULL}, {"off", PMU_OFF}, {0}};
static const struct choice on_off[] = {{"on", 1}, {"off", 0}, {0}};
static const struct choice unknown_msr[] = {{"pass", 0}, {"gp", 1}, {0}};

static const struct choice wire_modes[] = {
    {"shared", WIRE_SHARED}, {"own", WIRE_OWN}, {"log", WIRE_LOG}, {0}};
static const struct choice console_locks[] = {{"none", 0}, {"readonly", 1}, {0}};

/* The ports that PCs give COM1 to COM4. */
static const struct choice com_ports[] = {
    {"com1", 0x3f8}, {"com2", 0x2f8}, {"com3", 0x3e8}, {"com4", 0x2e8}, {0}};

static bool reject(struct parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool reject(struct parser *p, const char *format, ...)
{
    size_t used = text_print(p->error, CONF_ERROR, "cede.conf:%u: ", p->line);
    va_list args;

    va_start(args, format);
    text_format(p->error + used, CONF_ERROR - used, format, args);
    va_end(args);
    return false;
}

static struct span trim(struct span s)
{
    while (s.at < s.end && is_blank(*s.at))
        s.at++;
    while (s.at < s.end && is_blank(s.end[-1]))
        s.end--;
    return s;
}

/* For messages: the start of a span as text, with what is not printable ASCII as '?'. */
static const char *shown(struct span s, char out[24])
{
    size_t n = MIN(span_length(s), (size_t)23);

    for (size_t i = 0; i < n; i++)
        out[i] = s.at[i] >= ' ' && s.at[i] < 127 ? s.at[i] : '?';
    out[n] = 0;
    return out;
}

static const struct choice *find_choice(const struct choice *choices, struct span value)
{
    for (; choices->name; choices++)
        if (span_is(value, choices->name))
            return choices;
    return NULL;
}

static char *field_of(struct parser *p, const struct key *key)
{
    return (char *)p->conf + key->offset;
}

static bool set_text(struct parser *p, const struct key *key, struct span value)
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

/* Paths may be written with '/' and without the leading separator. */
static bool set_path(struct parser *p, const struct key *key, struct span value)
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

static bool set_choice(struct parser *p, const struct key *key, struct span value)
{
    const struct choice *choice = find_choice(key->choices, value);
    char buffer[24], list[48];

    if (!choice)
        return reject(p, "%s = %s: use %s", key->name, shown(value, buffer),
                      choice_list(key->choices, list));
    *(u8 *)field_of(p, key) = (u8)choice->value;
    return true;
}

/* Decimal, or hexadecimal with 0x; false if it is neither or above `max`. */
static bool number(struct span s, u32 max, u32 *out)
{
    u64 value;

    if (!span_take_number(&s, max, &value) || s.at < s.end)
        return false;
    *out = (u32)value;
    return true;
}

static bool set_console(struct parser *p, const struct key *key, struct span value)
{
    const struct choice *com = find_choice(com_ports, value);
    u32 port = com ? com->value : 0;
    char buffer[24];

    if (span_is(value, "auto") || span_is(value, "none")) {
        p->conf->console = span_is(value, "auto") ? CONSOLE_AUTO : CONSOLE_NONE;
        return true;
    }
    /* The eight registers of a 16550 must fit below 0x10000; ports below 0x100 are the board's. */
    if (!com && (!number(value, 0xfff8, &port) || port < 0x100))
        return reject(p, "%s = %s: use auto, com1 to com4, a port such as 0x3f8, or none",
                      key->name, shown(value, buffer));
    p->conf->console = CONSOLE_PORT;
    p->conf->port = (u16)port;
    return true;
}

/* A control character, as ctrl-] and the like (ASCII 1 to 31 are Ctrl-A to Ctrl-_). */
static bool set_escape(struct parser *p, const struct key *key, struct span value)
{
    char buffer[24];
    struct span c = {value.at + 5, value.end};
    u8 code = 0;

    if (span_length(value) == 6 && span_is((struct span){value.at, value.at + 5}, "ctrl-"))
        code = (u8)(*c.at & 0x5f) ^ 0x40;
    if (!code || code > 31)
        return reject(p, "%s = %s: use ctrl-a to ctrl-z, ctrl-], ctrl-^ or ctrl-_", key->name,
                      shown(value, buffer));
    p->conf->wire.escape = code;
    return true;
}

/* A core by its number. */
static bool set_management(struct parser *p, const struct key *key, struct span value)
{
    u32 *core = &p->conf->wire.management;
    char buffer[24];

    if (span_is(value, "auto"))
        *core = AUTO_MANAGEMENT;
    else if (span_is(value, "none"))
        *core = NO_MANAGEMENT;
    else if (!number(value, 0xffff, core))
        return reject(p, "%s = %s: use auto, none, or a core's number", key->name,
                      shown(value, buffer));
    return true;
}

/* A 16550 divides 115200 by a whole number. */
static bool set_baud(struct parser *p, const struct key *key, struct span value)
{
    u32 baud;
    char buffer[24];

    if (!number(value, 115200, &baud) || (baud && (baud < 50 || 115200 % baud)))
        return reject(p, "%s = %s: use 9600, 19200, 38400, 57600 or 115200, or 0 to leave it",
                      key->name, shown(value, buffer));
    p->conf->baud = baud;
    return true;
}

#define FIELD_OF(name) offsetof(struct conf, name), sizeof(((struct conf *)0)->name)

static const struct key keys[] = {
    {"next", set_path, FIELD_OF(next), NULL},
    {"options", set_text, FIELD_OF(options), NULL},
    {"initrd", set_path, FIELD_OF(initrd), NULL},
    {"console", set_console, FIELD_OF(console), NULL},
    {"console-mode", set_choice, FIELD_OF(wire.mode), wire_modes},
    {"console-lock", set_choice, FIELD_OF(wire.readonly), console_locks},
    {"console-escape", set_escape, FIELD_OF(wire.escape), NULL},
    {"management", set_management, FIELD_OF(wire.management), NULL},
    {"baud", set_baud, FIELD_OF(baud), NULL},
    {"pmu", set_choice, FIELD_OF(policy.pmu), pmu_modes},
    {"hypervisor-bit", set_choice, FIELD_OF(policy.hypervisor_bit), on_off},
    {"unknown-msr", set_choice, FIELD_OF(policy.unknown_msr_gp), unknown_msr},
    {"vmrun-branch", set_choice, FIELD_OF(policy.vmrun_branch), on_off},
    {"policy", set_path, FIELD_OF(policy_file), NULL},
    {"cmdline", set_text, FIELD_OF(options), NULL}, /* another name for options */
};

enum { KEY_NEXT, KEY_OPTIONS, KEY_INITRD, KEY_CMDLINE = COUNT(keys) - 1 };

_Static_assert(COUNT(keys) <= COUNT(((struct parser *)0)->seen), "seen[] too small");

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

    for (const struct key *key = keys; key < keys + COUNT(keys); key++) {
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

static bool parse_setting(struct parser *p, struct span name, struct span value)
{
    for (unsigned i = 0; i < COUNT(keys); i++) {
        unsigned slot = i == KEY_CMDLINE ? KEY_OPTIONS : i;

        if (!span_is(name, keys[i].name))
            continue;
        if (p->seen[slot])
            return reject(p, "'%s' is set already on line %u: keep one of them", keys[i].name,
                          p->seen[slot]);
        p->seen[slot] = p->line;
        return keys[i].set(p, &keys[i], value);
    }
    return unknown_key(p, name);
}

static bool parse_section(struct parser *p, struct span line)
{
    char buffer[24];

    if (line.end[-1] != ']')
        return reject(p, "a section header ends with ']'");
    line = trim((struct span){line.at + 1, line.end - 1});
    if (span_is(line, "cede"))
        return true;
    return reject(
        p, "section [%s]: this version runs one guest only, partitions come later; remove it",
        shown(line, buffer));
}

/* "file:line: 'word': what is wrong" */
static void explain_policy(char error[CONF_ERROR], const char *file, unsigned line,
                           const struct policy_error *what)
{
    const char *quote = what->word[0] ? "'" : "";

    text_print(error, CONF_ERROR, "%s:%u: %s%s%s%s%s", file, line, quote, what->word, quote,
               what->word[0] ? ": " : "", what->message);
}

static bool parse_rule(struct parser *p, struct span line)
{
    struct policy_error what;

    if (policy_parse_line(&p->conf->rules, line.at, span_length(line), &what))
        return true;
    explain_policy(p->error, "cede.conf", p->line, &what);
    return false;
}

static bool parse_line(struct parser *p, struct span line)
{
    const char *equals = line.at;

    for (const char *c = line.at; c < line.end; c++)
        if ((u8)*c < ' ' && !is_blank(*c))
            return reject(p, "not a text file (byte 0x%02x): save it as UTF-8", (u8)*c);
    line = trim(line);
    if (line.at == line.end || *line.at == '#' || *line.at == ';')
        return true;
    if (*line.at == '[')
        return parse_section(p, line);
    if (policy_is_line(line.at, span_length(line)))
        return parse_rule(p, line);
    while (equals < line.end && *equals != '=')
        equals++;
    if (equals == line.end)
        return reject(p, "expected 'key = value'");
    return parse_setting(p, trim((struct span){line.at, equals}),
                         trim((struct span){equals + 1, line.end}));
}

/* Options and initrd belong to a named program; a boot option brings its own. */
static bool check_whole(struct parser *p)
{
    unsigned stray = p->conf->options[0]  ? p->seen[KEY_OPTIONS]
                     : p->conf->initrd[0] ? p->seen[KEY_INITRD]
                                          : 0;

    if (p->conf->next[0] || !stray)
        return true;
    p->line = stray;
    return reject(p, "'%s' needs 'next', the program it is for",
                  p->conf->options[0] ? "options" : "initrd");
}

void conf_defaults(struct conf *conf, struct filter_entry *room, u32 count)
{
    *conf = (struct conf){.console = CONSOLE_AUTO,
                          .wire = {.escape = 0x1d, .management = AUTO_MANAGEMENT},
                          .policy = {.pmu = PMU_FILTERED}};
    policy_start(&conf->rules, room, count);
}

bool conf_parse(const char *text, size_t size, struct conf *conf, char error[CONF_ERROR])
{
    struct parser p = {.conf = conf, .line = 1, .error = error};
    const char *end = text + size;

    error[0] = 0;
    if (size > CONF_LIMIT)
        return reject(&p, "larger than 64 KiB: not a configuration");
    if (size >= 3 && (u8)text[0] == 0xef && (u8)text[1] == 0xbb && (u8)text[2] == 0xbf)
        text += 3;
    for (; text < end; p.line++) {
        const char *eol = text;
        while (eol < end && *eol != '\n')
            eol++;
        if (!parse_line(&p, (struct span){text, eol}))
            return false;
        text = eol < end ? eol + 1 : end;
    }
    return check_whole(&p);
}

/* A path's last part, which is enough to say which file is meant. */
static const char *file_name(const char *path, char out[24])
{
    struct span name = {path, path};

    for (; *name.end; name.end++)
        if (*name.end == '\\')
            name.at = name.end + 1;
    return shown(name, out);
}

bool conf_parse_policy(const char *text, size_t size, struct conf *conf, char error[CONF_ERROR])
{
    struct policy_error what;
    char name[24];

    error[0] = 0;
    if (policy_parse(&conf->rules, text, size, &what))
        return true;
    explain_policy(error, file_name(conf->policy_file, name), what.line, &what);
    return false;
}

bool conf_finish(struct conf *conf, char error[CONF_ERROR])
{
    char name[24];

    error[0] = 0;
    if (!conf->policy_file[0] && !conf->rules.lines)
        return true;
    conf->policy.rules = (u64)(uintptr_t)&conf->rules;
    if (policy_allows_something(&conf->rules))
        return true;
    text_print(error, CONF_ERROR,
               "%s: the policy allows nothing: add 'allow architectural', or set 'pmu = off'",
               conf_list_text(conf, name));
    return false;
}

const char *conf_list_text(const struct conf *conf, char out[24])
{
    return !conf->policy.rules
               ? "architectural"
               : file_name(conf->policy_file[0] ? conf->policy_file : "cede.conf", out);
}
