#include "compile.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"

enum { LINE_SIZE = 320, VARIANTS = 64 };

static const char *const aux_names[AUX_REGISTERS] = {"offcore", "frontend", "ldlat"};

static const struct {
    const char *name;
    u64 bits;
} modifiers[] = {
    {"edge", EVTSEL_EDGE}, {"inv", EVTSEL_INV},     {"cmask", EVTSEL_CMASK},
    {"any", EVTSEL_ANY},   {"in_tx", EVTSEL_IN_TX}, {"eq", EVTSEL_EQ},
};

/* What compiling one line needs to know. */
struct context {
    struct compiled *out;
    const struct processors *processors;
    unsigned line;
    bool deny;
    const char *name;
};

/* One encoding of a name, and the processors that have it. */
struct variant {
    struct encoding encoding;
    enum vendor vendor;
    size_t count;
    char processors[LINE_SIZE];
};

static void __attribute__((format(printf, 2, 3)))
complain(struct context *c, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "%s:%u: ", c->out->path, c->line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    c->out->errors++;
}

static void add_rule(struct context *c, const char *text, const char *comment)
{
    struct compiled *out = c->out;
    struct rule rule = {c->line, c->deny, strdup(text), comment ? strdup(comment) : NULL};

    out->rules = realloc(out->rules, (out->count + 1) * sizeof(rule));
    if (!out->rules || !rule.text)
        abort();
    out->rules[out->count++] = rule;
}

static bool has_rule(const struct compiled *compiled, const char *text)
{
    for (size_t i = 0; i < compiled->count; i++)
        if (!strcmp(compiled->rules[i].text, text))
            return true;
    return false;
}

static void complain_of(struct context *c, const struct policy_error *error)
{
    if (error->word[0])
        complain(c, "'%s': %s", error->word, error->message);
    else
        complain(c, "%s", error->message);
}

/* --- names ----------------------------------------------------------------------------------- */

/* Adds a line that a name stands for, unless it is there already. */
static void __attribute__((format(printf, 3, 4)))
emit(struct context *c, const char *comment, const char *format, ...)
{
    char text[LINE_SIZE];
    struct policy_error error;
    va_list args;
    int used = snprintf(text, sizeof(text), "%s ", c->deny ? "deny" : "allow");

    va_start(args, format);
    vsnprintf(text + used, sizeof(text) - (size_t)used, format, args);
    va_end(args);
    if (has_rule(c->out, text))
        return;
    if (policy_parse_line(&c->out->policy, text, strlen(text), &error))
        add_rule(c, text, comment);
    else
        complain_of(c, &error);
}

/* AnyThread is left to the operator: it counts what somebody else does. */
static void emit_modifiers(struct context *c, const char *comment, u64 selector)
{
    char list[LINE_SIZE] = "";

    for (size_t i = 0; i < COUNT(modifiers); i++)
        if ((selector & modifiers[i].bits) && modifiers[i].bits != EVTSEL_ANY) {
            strcat(list, " ");
            strcat(list, modifiers[i].name);
        }
    if (list[0])
        emit(c, comment, "modifier%s", list);
}

static void note_need(struct context *c, u64 selector)
{
    struct compiled *out = c->out;
    struct need need = {c->line, strdup(c->name), 0};

    for (size_t i = 0; i < COUNT(modifiers); i++)
        if (selector & modifiers[i].bits)
            need.bits |= modifiers[i].bits;
    out->needs = realloc(out->needs, (out->need_count + 1) * sizeof(need));
    if (!out->needs || !need.name)
        abort();
    out->needs[out->need_count++] = need;
}

/* Denying the name of an event that needs a register denies the register's value: others share the
 * event. Its modifiers stay allowed for others, and denying it denies the event with any. */
static void emit_variant(struct context *c, const struct variant *v)
{
    const struct encoding *e = &v->encoding;
    u32 select = (e->selector & 0xff) | (v->vendor == VENDOR_AMD ? e->selector >> 24 & 0xf00 : 0);
    char comment[2 * LINE_SIZE];

    snprintf(comment, sizeof(comment), "%s (%s)", c->name,
             v->count > 1 && v->count == c->processors->count ? "all" : v->processors);
    if (!e->fixed_only && !(c->deny && e->has_aux))
        emit(c, comment, "0x%02x/0x%02x", select, (u32)e->selector >> 8 & 0xff);
    for (u32 i = 0; i < POLICY_FIXED; i++)
        if (e->fixed & 1U << i)
            emit(c, comment, "fixed %u", i);
    if (e->has_aux)
        emit(c, comment, "%s 0x%llx", aux_names[e->aux], (unsigned long long)e->value);
    if (c->deny)
        return;
    emit_modifiers(c, comment, e->selector);
    note_need(c, e->selector);
}

static bool same_encoding(const struct variant *v, enum vendor vendor, const struct encoding *e)
{
    return v->vendor == vendor && v->encoding.selector == e->selector &&
           v->encoding.fixed_only == e->fixed_only && v->encoding.fixed == e->fixed &&
           v->encoding.has_aux == e->has_aux && v->encoding.aux == e->aux &&
           v->encoding.value == e->value;
}

static void add_variant(struct variant *list, size_t *count, const struct processor *processor,
                        const struct encoding *encoding)
{
    size_t i = 0, used;

    while (i < *count && !same_encoding(&list[i], processor->vendor, encoding))
        i++;
    if (i == VARIANTS)
        return;
    if (i == *count)
        list[(*count)++] = (struct variant){*encoding, processor->vendor, 0, ""};
    list[i].count++;
    used = strlen(list[i].processors);
    snprintf(list[i].processors + used, LINE_SIZE - used, "%s%s", used ? " " : "", processor->name);
}

static void explain_unknown(struct context *c, bool needs_umask)
{
    char nearest[LINE_SIZE];

    if (!c->processors->count) {
        complain(c, "'%s': say for which processor with --cpu or --vendor", c->name);
        return;
    }
    name_suggest(c->processors, c->name, nearest, sizeof(nearest));
    complain(c, "'%s': %s; nearest: %s", c->name,
             needs_umask ? "it needs a unit mask" : "no event of these processors", nearest);
}

static void compile_name(struct context *c)
{
    static struct variant variants[VARIANTS];
    size_t count = 0;
    bool needs_umask = false;

    for (size_t i = 0; i < c->processors->count; i++) {
        const struct processor *processor = &c->processors->list[i];
        struct encoding encoding;
        enum name_verdict verdict = name_encode(processor, c->name, &encoding);

        if (verdict == NAME_FOUND)
            add_variant(variants, &count, processor, &encoding);
        needs_umask |= verdict == NAME_NEEDS_UMASK;
    }
    if (!count)
        explain_unknown(c, needs_umask);
    for (size_t i = 0; i < count; i++)
        emit_variant(c, &variants[i]);
}

/* --- lines ----------------------------------------------------------------------------------- */

/* libpfm4 has a name that starts with a digit, and none with a slash. */
static bool looks_like_name(const char *word)
{
    return !strchr(word, '/') && (isalpha((unsigned char)word[0]) || strchr(word, '_')) &&
           !policy_is_keyword(word, strlen(word));
}

/* Whether a line is `allow NAME` or `deny NAME`, with at most a comment behind. */
static bool is_name_line(const char *line, char verb[8], char name[LINE_SIZE])
{
    char rest[2] = "";

    if (sscanf(line, " %7s %319[^ \t\r#] %1s", verb, name, rest) < 2 || (rest[0] && *rest != '#'))
        return false;
    return (!strcmp(verb, "allow") || !strcmp(verb, "deny")) && looks_like_name(name);
}

static void split_comment(char *line, char **comment)
{
    char *hash = strchr(line, '#'), *end;

    *comment = NULL;
    if (hash) {
        *hash = 0;
        *comment = hash + 1 + strspn(hash + 1, " \t");
        (*comment)[strcspn(*comment, "\r")] = 0;
    }
    for (end = line + strlen(line); end > line && isspace((unsigned char)end[-1]); end--)
        end[-1] = 0;
}

static void compile_line(struct context *c, char *line)
{
    char verb[8], name[LINE_SIZE], *comment;
    struct policy_error error;

    if (is_name_line(line, verb, name)) {
        c->name = name;
        c->deny = verb[0] == 'd';
        compile_name(c);
        return;
    }
    if (!policy_parse_line(&c->out->policy, line, strlen(line), &error)) {
        complain_of(c, &error);
        return;
    }
    split_comment(line, &comment);
    line += strspn(line, " \t\r");
    c->deny = line[0] == 'd';
    if (line[0] || comment)
        add_rule(c, line, comment);
}

static bool is_conf(const char *path)
{
    size_t length = strlen(path);

    return length > 5 && !strcmp(path + length - 5, ".conf");
}

static void start(struct compiled *out, const char *path)
{
    *out = (struct compiled){.path = path};
    policy_start(&out->policy, out->events, POLICY_EVENTS);
}

/* A name whose modifiers are not allowed would stand in the list and count nothing. */
static void check_needs(struct context *c)
{
    u64 allowed = policy_modifiers(&c->out->policy);

    for (size_t i = 0; i < c->out->need_count; i++) {
        const struct need *need = &c->out->needs[i];

        c->line = need->line;
        if (need->bits & ~allowed & EVTSEL_ANY)
            complain(c,
                     "'%s' counts the sibling thread too: if that is meant, add "
                     "'allow modifier any'",
                     need->name);
        else if (need->bits & ~allowed)
            complain(c, "'%s' needs a modifier that another line denies", need->name);
    }
}

void compile_text(struct compiled *out, const char *path, const char *text, size_t size,
                  const struct processors *processors)
{
    struct context c = {.out = out, .processors = processors};
    char *copy = strndup(text, size), *rest = copy, *line;

    start(out, path);
    if (strlen(copy) < size) {
        c.line = 1;
        complain(&c, "not a text file: save it as UTF-8");
    }
    if (!strncmp(rest, "\xef\xbb\xbf", 3))
        rest += 3;
    while ((line = strsep(&rest, "\n"))) {
        c.line++;
        if (!is_conf(path) || policy_is_line(line, strlen(line)))
            compile_line(&c, line);
    }
    free(copy);
    if (!out->errors && !policy_allows_something(&out->policy))
        complain(&c, "the policy allows nothing");
    check_needs(&c);
}

/* A pipe will do as well as a file. */
static char *read_all(FILE *file, size_t *size)
{
    char *text = malloc(POLICY_LIMIT * 4 + 1);

    if (!text)
        abort();
    *size = fread(text, 1, POLICY_LIMIT * 4 + 1, file);
    return text;
}

void compile_file(struct compiled *out, const char *path, const struct processors *processors)
{
    FILE *file = strcmp(path, "-") ? fopen(path, "r") : stdin;
    size_t size;
    char *text;

    start(out, path);
    if (!file) {
        fprintf(stderr, "cede-policy: %s: %s\n", path, strerror(errno));
        out->errors++;
        return;
    }
    text = read_all(file, &size);
    if (ferror(file) || size > POLICY_LIMIT * 4) {
        fprintf(stderr, "cede-policy: %s: %s\n", path,
                ferror(file) ? strerror(errno) : "larger than 1 MiB: not a policy");
        out->errors++;
    } else {
        compile_text(out, path, text, size, processors);
    }
    free(text);
    if (file != stdin)
        fclose(file);
}

void compile_default(struct compiled *out)
{
    static const char text[] = "allow architectural";
    struct processors none = {NULL, 0};

    compile_text(out, "built-in", text, sizeof(text) - 1, &none);
}

void compiled_print(const struct compiled *compiled, FILE *to)
{
    for (size_t i = 0; i < compiled->count; i++) {
        const struct rule *rule = &compiled->rules[i];

        if (rule->comment)
            fprintf(to, "%s%s# %s\n", rule->text, rule->text[0] ? "  " : "", rule->comment);
        else
            fprintf(to, "%s\n", rule->text);
    }
}

void compiled_free(struct compiled *compiled)
{
    for (size_t i = 0; i < compiled->count; i++) {
        free(compiled->rules[i].text);
        free(compiled->rules[i].comment);
    }
    for (size_t i = 0; i < compiled->need_count; i++)
        free(compiled->needs[i].name);
    free(compiled->rules);
    free(compiled->needs);
}
