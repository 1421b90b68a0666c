#include "conf/conf.h"

#include "conf/conf_value.h"
#include "pmu/policy_text.h"
#include "uefi/text.h"

static const struct choice unknown_msr[] = {{"pass", 0}, {"gp", 1}, {0}};

static const struct choice wire_modes[] = {
    {"shared", WIRE_SHARED}, {"own", WIRE_OWN}, {"log", WIRE_LOG}, {0}};
static const struct choice console_locks[] = {{"none", 0}, {"readonly", 1}, {0}};

/* The ports that PCs give COM1 to COM4. */
static const struct choice com_ports[] = {
    {"com1", 0x3f8}, {"com2", 0x2f8}, {"com3", 0x3e8}, {"com4", 0x2e8}, {0}};

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

    p->conf->management_line = p->line;
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

#define FIELD_OF(name) KEY_FIELD(conf, name)

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
    {"policy", set_path, FIELD_OF(list.file), NULL},
    {"trace", set_choice, FIELD_OF(trace), on_off},
    {"cmdline", set_text, FIELD_OF(options), NULL}, /* another name for options */
};

enum { KEY_NEXT, KEY_OPTIONS, KEY_INITRD };

_Static_assert(COUNT(keys) <= COUNT(((struct parser *)0)->seen), "seen[] too small");

static void enter_cede(struct parser *p)
{
    p->now = (struct section){keys, COUNT(keys), p->conf, p->seen, &p->conf->list};
}

static bool parse_section(struct parser *p, struct span line)
{
    static const char guest[] = "guest";
    char buffer[24];

    if (line.end[-1] != ']')
        return reject(p, "a section header ends with ']'");
    line = trim((struct span){line.at + 1, line.end - 1});
    struct span word = {line.at, line.at + MIN(span_length(line), sizeof guest - 1)};
    if (span_is(line, "cede"))
        enter_cede(p);
    else if (span_is(word, guest) && (word.end == line.end || is_blank(*word.end)))
        return guest_section(p, trim((struct span){word.end, line.end}));
    else
        return reject(p, "section [%s]: use [cede] or [guest NAME]", shown(line, buffer));
    return true;
}

/* "file:line: 'word': what is wrong" */
static void explain_policy(char error[CONF_ERROR], const char *file, unsigned line,
                           const struct policy_error *what)
{
    const char *quote = what->word[0] ? "'" : "";

    text_print(error, CONF_ERROR, "%s:%u: %s%s%s%s%s", file, line, quote, what->word, quote,
               what->word[0] ? ": " : "", what->message);
}

/* The list's first line, or its file: room for its events. */
static void start_list(struct conf *conf, struct conf_list *list)
{
    struct conf_room *room = &conf->room;
    u32 count = MIN(room->event_count, (u32)POLICY_EVENTS);

    if (list->rules.events)
        return;
    policy_start(&list->rules, room->events, count);
    room->events += count;
    room->event_count -= count;
}

static bool parse_rule(struct parser *p, struct span line)
{
    struct policy_error what;

    start_list(p->conf, p->now.list);
    if (policy_parse_line(&p->now.list->rules, line.at, span_length(line), &what))
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

void conf_defaults(struct conf *conf, const struct conf_room *room)
{
    *conf = (struct conf){.console = CONSOLE_AUTO,
                          .wire = {.escape = 0x1d, .management = AUTO_MANAGEMENT},
                          .policy = {.pmu = PMU_FILTERED},
                          .guests = room->guests,
                          .room = *room};
}

bool conf_parse(const char *text, size_t size, struct conf *conf, char error[CONF_ERROR])
{
    struct parser p = {.conf = conf, .line = 1, .error = error};
    const char *end = text + size;

    error[0] = 0;
    enter_cede(&p);
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
    return check_whole(&p) && guests_are_whole(&p);
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

static const char *list_name(const struct conf_list *list, char out[24])
{
    return file_name(list->file[0] ? list->file : "cede.conf", out);
}

bool conf_parse_policy(const char *text, size_t size, struct conf *conf, struct conf_list *list,
                       char error[CONF_ERROR])
{
    struct policy_error what;
    char name[24];

    error[0] = 0;
    start_list(conf, list);
    if (policy_parse(&list->rules, text, size, &what))
        return true;
    explain_policy(error, file_name(list->file, name), what.line, &what);
    return false;
}

/* A list that says nothing is not in force: what it would replace is. */
static bool finish_list(const struct conf_list *list, struct boot_policy *policy,
                        char error[CONF_ERROR])
{
    char name[24];

    if (!list->file[0] && !list->rules.lines)
        return true;
    policy->rules = (u64)(uintptr_t)&list->rules;
    if (policy_allows_something(&list->rules))
        return true;
    text_print(error, CONF_ERROR,
               "%s: the policy allows nothing: add 'allow architectural', or set 'pmu = off'",
               list_name(list, name));
    return false;
}

bool conf_finish(struct conf *conf, char error[CONF_ERROR])
{
    error[0] = 0;
    if (!finish_list(&conf->list, &conf->policy, error))
        return false;
    for (u32 i = 0; i < conf->guest_count; i++) {
        struct conf_guest *guest = &conf->guests[i];
        u8 pmu = guest->lines[GUEST_PMU] ? guest->policy.pmu : conf->policy.pmu;

        guest->policy = conf->policy;
        guest->policy.pmu = pmu;
        if (!finish_list(&guest->list, &guest->policy, error))
            return false;
    }
    return true;
}

const char *conf_list_text(const struct conf *conf, char out[24])
{
    return !conf->policy.rules ? "architectural" : list_name(&conf->list, out);
}
