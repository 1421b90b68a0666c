#include "explain.h"

#include <stdlib.h>
#include <string.h>

#include "names.h"

enum { NAMES = 24 };

/* One name and the processors that have it. */
struct title {
    const char *processors[96];
    size_t count;
    char name[160];
};

struct titles {
    struct question question;
    bool exact;
    struct title list[NAMES];
    size_t count, more;
};

static u64 event_bits(const struct filter_format *format)
{
    return EVTSEL_EVENT | EVTSEL_UMASK | format->event_high | format->umask2;
}

/* Whether one line by itself covers the event, be it to allow or to deny it. */
static bool rule_covers(const struct rule *rule, const struct policy_cpu *cpu, u64 code)
{
    static struct filter filter;
    struct filter_entry room[1];
    struct policy_error error;
    struct pmu_policy policy;

    policy_start(&policy, room, 1);
    if (!policy_parse_line(&policy, rule->text, strlen(rule->text), &error))
        return false;
    policy.presets[POLICY_ALLOW] |= policy.presets[POLICY_DENY];
    policy.presets[POLICY_DENY] = 0;
    room[0].exclude = false;
    policy_build(&filter, &policy, cpu);
    return filter_allows(&filter, code & event_bits(cpu->format));
}

static const struct rule *first_rule(const struct compiled *compiled, const struct policy_cpu *cpu,
                                     u64 code, bool deny)
{
    for (size_t i = 0; i < compiled->count; i++)
        if (compiled->rules[i].deny == deny && compiled->rules[i].text[0] &&
            rule_covers(&compiled->rules[i], cpu, code))
            return &compiled->rules[i];
    return NULL;
}

bool explain_decide(const struct compiled *compiled, const struct policy_cpu *cpu, u64 code,
                    const struct rule **by)
{
    static struct filter filter;
    bool allowed;

    policy_build(&filter, &compiled->policy, cpu);
    allowed = filter_allows(&filter, code);
    *by = first_rule(compiled, cpu, code, !allowed);
    return allowed;
}

static bool never(const struct filter_format *format, u64 code)
{
    return format->never && (code & format->never) == format->never;
}

/* Why an event that some line allows is denied all the same. */
static void print_modifiers(const struct compiled *compiled, const struct filter_format *format,
                            u64 code, FILE *to)
{
    static const struct {
        const char *name;
        u64 bits;
    } modifiers[] = {{"edge", EVTSEL_EDGE}, {"inv", EVTSEL_INV},     {"cmask", EVTSEL_CMASK},
                     {"any", EVTSEL_ANY},   {"in_tx", EVTSEL_IN_TX}, {"eq", EVTSEL_EQ}};
    u64 refused = code & ~(format->free | event_bits(format) |
                           (policy_modifiers(&compiled->policy) & format->modifiers));

    fputs("denied:", to);
    for (size_t i = 0; i < COUNT(modifiers); i++)
        if (refused & format->modifiers & modifiers[i].bits)
            fprintf(to, " modifier %s is not allowed;", modifiers[i].name);
    if (refused & ~format->modifiers)
        fprintf(to, " bits 0x%llx are not for guests;",
                (unsigned long long)(refused & ~format->modifiers));
}

static void print_verdict(const struct compiled *compiled, const struct policy_cpu *cpu, u64 code,
                          bool allowed, const struct rule *by, FILE *to)
{
    if (by)
        fprintf(to, "%s by %s:%u: %s", allowed ? "allowed" : "denied", compiled->path, by->line,
                by->text);
    else if (never(cpu->format, code))
        fprintf(to, "denied: the northbridge's and merge events always are");
    else if (first_rule(compiled, cpu, code, false))
        print_modifiers(compiled, cpu->format, code, to);
    else
        fprintf(to, "denied: no line of %s allows it", compiled->path);
    fputc('\n', to);
}

/* Fixed counters that count the event too may say otherwise. */
static void print_fixed(const struct compiled *compiled, u64 code, FILE *to)
{
    u32 event = code & 0xffff, fixed = policy_fixed(&compiled->policy), counter;

    if (event == 0xc0 || event == 0x3c)
        counter = event == 0xc0 ? 0 : 1;
    else if (!(event & 0xff) && event && event <= POLICY_FIXED << 8)
        counter = (event >> 8) - 1;
    else
        return;
    fprintf(to, "    on fixed counter %u it is %s\n", counter,
            fixed & 1U << counter ? "allowed" : "denied");
}

static bool is_asked(const struct titles *titles, const struct processor *processor,
                     const struct encoding *encoding)
{
    const struct question *q = &titles->question;

    if (q->has_value && (!encoding->has_aux || encoding->value != q->value))
        return false;
    return titles->exact ? encoding->selector == q->code
                         : encoding_same_event(processor->vendor, encoding->selector, q->code);
}

static void add_title(void *context, const struct processor *processor, const char *name,
                      const struct encoding *encoding)
{
    struct titles *titles = context;
    size_t i = 0;

    if (!is_asked(titles, processor, encoding))
        return;
    while (i < titles->count && strcmp(titles->list[i].name, name))
        i++;
    if (i == NAMES) {
        titles->more++;
        return;
    }
    if (i == titles->count)
        snprintf(titles->list[titles->count++].name, sizeof(titles->list[0].name), "%s", name);
    if (titles->list[i].count < COUNT(titles->list[i].processors))
        titles->list[i].processors[titles->list[i].count++] = processor->name;
}

static void find_titles(const struct processors *processors, enum vendor vendor,
                        const struct question *question, bool exact, struct titles *titles)
{
    memset(titles, 0, sizeof(*titles));
    titles->question = *question;
    titles->exact = exact;
    for (size_t i = 0; i < processors->count; i++)
        if (processors->list[i].vendor == vendor)
            name_each(&processors->list[i], add_title, titles);
}

static void print_titles(const struct processors *processors, enum vendor vendor,
                         const struct question *question, FILE *to)
{
    static struct titles titles;

    find_titles(processors, vendor, question, true, &titles);
    if (!titles.count) {
        find_titles(processors, vendor, question, false, &titles);
        fputs(titles.count ? "    a variant of\n" : "    no name in libpfm4\n", to);
    }
    for (size_t i = 0; i < titles.count; i++) {
        fprintf(to, "    %s (", titles.list[i].name);
        for (size_t p = 0; p < titles.list[i].count; p++)
            fprintf(to, "%s%s", p ? " " : "", titles.list[i].processors[p]);
        fputs(")\n", to);
    }
    if (titles.more)
        fprintf(to, "    and others: say CODE,VALUE for the value of its register\n");
}

struct register_search {
    const struct question *question;
    enum vendor vendor;
    enum policy_aux_register kind;
    bool found;
};

static void find_register(void *context, const struct processor *processor, const char *name,
                          const struct encoding *encoding)
{
    struct register_search *search = context;

    (void)name;
    search->found |=
        processor->vendor == search->vendor && encoding->has_aux && encoding->aux == search->kind &&
        encoding_same_event(search->vendor, encoding->selector, search->question->code);
}

/* Which register is meant is in libpfm4's table only: all that it may be are asked. */
static bool value_allowed(const struct compiled *compiled, const struct processors *processors,
                          enum vendor vendor, const struct question *question, FILE *to)
{
    bool allowed = true;

    for (u32 kind = 0; kind < AUX_REGISTERS; kind++) {
        struct register_search search = {question, vendor, kind, false};

        for (size_t i = 0; i < processors->count; i++)
            name_each(&processors->list[i], find_register, &search);
        if (!search.found)
            continue;
        if (!policy_allows_aux(&compiled->policy, kind, question->value))
            allowed = false;
        fprintf(to, "    its register's value 0x%llx is %s\n", (unsigned long long)question->value,
                allowed ? "allowed" : "denied");
    }
    return allowed;
}

bool explain(const struct compiled *compiled, const struct processors *processors,
             enum vendor vendor, unsigned family, const struct question *question, FILE *to)
{
    struct policy_cpu cpu = processor_policy_cpu(vendor, family);
    struct question q = *question;
    const struct rule *by;
    bool allowed;

    q.code &= ~(u64)SELECTOR_IDLE;
    allowed = explain_decide(compiled, &cpu, q.code, &by);
    fprintf(to, "%s 0x%llx: ", vendor_names[vendor], (unsigned long long)q.code);
    print_verdict(compiled, &cpu, q.code, allowed, by, to);
    if (q.has_value)
        allowed &= value_allowed(compiled, processors, vendor, &q, to);
    if (vendor == VENDOR_INTEL)
        print_fixed(compiled, q.code, to);
    print_titles(processors, vendor, &q, to);
    return allowed;
}
