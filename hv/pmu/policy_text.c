#include "pmu/policy_text.h"
#include "pmu/filter.h"
#include "span.h"

struct line {
    struct span rest; /* what follows the word */
    struct span word;
    struct pmu_policy *policy;
    enum policy_verb verb;
    struct policy_error *error;
};

struct keyword {
    const char *name;
    bool (*parse)(struct line *, u32 argument);
    u32 argument;
};

struct modifier {
    const char *name;
    u64 bits;
};

static const struct modifier modifiers[] = {
    {"edge", EVTSEL_EDGE}, {"inv", EVTSEL_INV},     {"cmask", EVTSEL_CMASK},
    {"any", EVTSEL_ANY},   {"in_tx", EVTSEL_IN_TX}, {"eq", EVTSEL_EQ},
};

/* Explains the word that the line is at. */
static bool wrong(struct line *line, const char *message)
{
    struct policy_error *error = line->error;
    size_t used = 0;

    for (const char *c = line->word.at; c < line->word.end; c++)
        if (used < sizeof(error->word) - 1)
            error->word[used++] = *c >= ' ' && *c < 127 ? *c : '?';
    error->word[used] = 0;
    error->message = message;
    return false;
}

/* Goes to the next word; false if there is none. */
static bool next_word(struct line *line)
{
    struct span *rest = &line->rest;

    while (rest->at < rest->end && is_blank(*rest->at))
        rest->at++;
    line->word.at = rest->at;
    while (rest->at < rest->end && !is_blank(*rest->at) && *rest->at != '#')
        rest->at++;
    line->word.end = rest->at;
    return line->word.at < line->word.end;
}

/* Asked before anything is added: a line that is refused leaves no trace. */
static bool nothing_follows(struct line *line)
{
    return !next_word(line) || wrong(line, "one thing per line: nothing may follow");
}

static bool take_selects(struct span *s, struct filter_entry *entry)
{
    u64 first, last;

    if (!span_take_number(s, 0xfff, &first))
        return false;
    last = first;
    if (span_take(s, '-') && !span_take_number(s, 0xfff, &last))
        return false;
    entry->first = (u16)first;
    entry->last = (u16)last;
    return first <= last;
}

static bool take_umasks(struct span *s, struct filter_entry *entry)
{
    u64 match, mask = 0xff;

    if (span_take(s, '*'))
        return true;
    if (!span_take_number(s, 0xff, &match) ||
        (span_take(s, '&') && !span_take_number(s, 0xff, &mask)))
        return false;
    entry->match = (u8)match;
    entry->mask = (u8)mask;
    return true;
}

static bool take_umask2(struct span *s, struct filter_entry *entry)
{
    u64 umask2 = 0;

    if (span_take(s, '*'))
        umask2 = ANY_UMASK2;
    else if (!span_take_number(s, 0xff, &umask2))
        return false;
    entry->umask2 = (u16)umask2;
    return true;
}

/* Each value that is named has a plane of the filter to itself. */
static bool umask2_fits(const struct pmu_policy *policy, u16 umask2)
{
    bool seen[256] = {false};
    u32 named = 0;

    if (!umask2 || umask2 == ANY_UMASK2)
        return true;
    for (u32 i = 0; i < policy->event_count; i++)
        if (policy->events[i].umask2 < 256)
            seen[policy->events[i].umask2] = true;
    seen[umask2] = true;
    for (u32 i = 1; i < 256; i++)
        named += seen[i];
    return named <= FILTER_NAMED_UMASK2;
}

static bool parse_event(struct line *line)
{
    struct filter_entry entry = {.exclude = line->verb == POLICY_DENY};
    struct pmu_policy *policy = line->policy;
    struct span s = line->word;

    if (!take_selects(&s, &entry))
        return wrong(line, "an event select is a number up to 0xfff, or two with '-' between");
    if (!span_take(&s, '/'))
        return wrong(line, "write event select and umask apart, as 0xc0/0x00");
    if (!take_umasks(&s, &entry))
        return wrong(line, "a umask is a number up to 0xff, VALUE&MASK, or *");
    if (span_take(&s, '/') && !take_umask2(&s, &entry))
        return wrong(line, "a second umask is a number up to 0xff, or *");
    if (s.at < s.end)
        return wrong(line, "an event is SELECT/UMASK or SELECT/UMASK/UMASK2");
    if (entry.match & ~entry.mask)
        return wrong(line, "no umask is like this: VALUE has bits that are not in MASK");
    if (policy->event_count == policy->event_room)
        return wrong(line, "too many events: put several into one line with - & *");
    if (!umask2_fits(policy, entry.umask2))
        return wrong(line, "more than 14 different second umasks");
    if (!nothing_follows(line))
        return false;
    policy->events[policy->event_count++] = entry;
    return true;
}

static bool add_preset(struct line *line, u32 preset)
{
    if (!nothing_follows(line))
        return false;
    line->policy->presets[line->verb] |= (u8)(1U << preset);
    return true;
}

static bool add_topdown(struct line *line, u32 unused)
{
    (void)unused;
    if (!nothing_follows(line))
        return false;
    line->policy->fixed[line->verb] |= 1U << 3;
    return true;
}

static bool add_fixed(struct line *line, u32 unused)
{
    u32 counters = 0;

    (void)unused;
    while (next_word(line)) {
        struct span s = line->word;
        u64 counter;

        if (!span_take_number(&s, POLICY_FIXED - 1, &counter) || s.at < s.end)
            return wrong(line, "a fixed counter is a number up to 15");
        counters |= 1U << counter;
    }
    if (!counters)
        return wrong(line, "'fixed' needs the numbers of counters");
    line->policy->fixed[line->verb] |= counters;
    return true;
}

static u64 modifier_bits(struct span word)
{
    for (u32 i = 0; i < COUNT(modifiers); i++)
        if (span_is(word, modifiers[i].name))
            return modifiers[i].bits;
    return 0;
}

static bool add_modifiers(struct line *line, u32 unused)
{
    u64 all = 0, bits;

    (void)unused;
    for (; next_word(line); all |= bits) {
        bits = modifier_bits(line->word);
        if (!bits)
            return wrong(line, "modifiers are edge, inv, cmask, any, in_tx and eq");
    }
    if (!all)
        return wrong(line, "'modifier' needs edge, inv, cmask, any, in_tx or eq");
    line->policy->modifiers[line->verb] |= all;
    return true;
}

static bool take_value(struct span s, struct policy_aux *aux)
{
    if (span_take(&s, '*'))
        aux->mask = 0;
    else if (!span_take_number(&s, ~0ULL, &aux->match) ||
             (span_take(&s, '&') && !span_take_number(&s, ~0ULL, &aux->mask)))
        return false;
    return s.at == s.end;
}

static bool add_aux(struct line *line, u32 kind)
{
    struct policy_aux aux = {.mask = ~0ULL, .kind = (u8)kind, .exclude = line->verb == POLICY_DENY};
    struct pmu_policy *policy = line->policy;

    next_word(line);
    if (!take_value(line->word, &aux))
        return wrong(line, "a register's value is a number, VALUE&MASK, or *");
    if (aux.match & ~aux.mask)
        return wrong(line, "no value is like this: VALUE has bits that are not in MASK");
    if (policy->aux_count == COUNT(policy->aux))
        return wrong(line, "more than 64 lines of register values");
    if (!nothing_follows(line))
        return false;
    policy->aux[policy->aux_count++] = aux;
    return true;
}

static bool add_grant(struct line *line, u32 grant)
{
    if (!nothing_follows(line))
        return false;
    line->policy->grants[line->verb] |= (u8)(1U << grant);
    return true;
}

static const struct keyword keywords[] = {
    {"architectural", add_preset, PRESET_ARCHITECTURAL},
    {"core", add_preset, PRESET_CORE},
    {"all", add_preset, PRESET_ALL},
    {"everything", add_preset, PRESET_EVERYTHING},
    {"fixed", add_fixed, 0},
    {"topdown", add_topdown, 0},
    {"modifier", add_modifiers, 0},
    {"offcore", add_aux, AUX_OFFCORE},
    {"frontend", add_aux, AUX_FRONTEND},
    {"ldlat", add_aux, AUX_LDLAT},
    {"lbr", add_grant, GRANT_LBR},
    {"pebs", add_grant, GRANT_PEBS},
    {"ibs", add_grant, GRANT_IBS},
    {"uncore", add_grant, GRANT_UNCORE},
    {"energy", add_grant, GRANT_ENERGY},
};

const char *policy_keyword(u32 index)
{
    return index < COUNT(keywords) ? keywords[index].name : NULL;
}

static const struct keyword *find_keyword(struct span word)
{
    for (u32 i = 0; i < COUNT(keywords); i++)
        if (span_is(word, keywords[i].name))
            return &keywords[i];
    return NULL;
}

static bool parse_what(struct line *line)
{
    const struct keyword *keyword;

    if (!next_word(line))
        return wrong(line, "'allow' and 'deny' need an event, a preset or another word");
    if (digit_of(*line->word.at) < 10)
        return parse_event(line);
    keyword = find_keyword(line->word);
    if (keyword)
        return keyword->parse(line, keyword->argument);
    return wrong(line, "neither an event as 0xc0/0x00, nor architectural, core, all, fixed, "
                       "topdown, modifier, offcore, frontend, ldlat, everything or a grant; "
                       "cede-policy knows names of events");
}

static bool parse_verb(struct line *line)
{
    if (!span_is(line->word, "allow") && !span_is(line->word, "deny"))
        return wrong(line, "a line starts with 'allow' or 'deny'");
    line->verb = span_is(line->word, "deny") ? POLICY_DENY : POLICY_ALLOW;
    return true;
}

static bool is_text(struct span s)
{
    for (; s.at < s.end; s.at++)
        if ((u8)*s.at < ' ' && !is_blank(*s.at))
            return false;
    return true;
}

bool policy_parse_line(struct pmu_policy *policy, const char *text, size_t size,
                       struct policy_error *error)
{
    struct line line = {.rest = {text, text + size}, .policy = policy, .error = error};

    if (!is_text(line.rest))
        return wrong(&line, "not a text file: save it as UTF-8");
    if (!next_word(&line))
        return true;
    if (!parse_verb(&line) || !parse_what(&line))
        return false;
    policy->lines++;
    return true;
}

bool policy_is_keyword(const char *word, size_t size)
{
    return find_keyword((struct span){word, word + size});
}

bool policy_is_line(const char *text, size_t size)
{
    struct line line = {.rest = {text, text + size}};

    return next_word(&line) && (span_is(line.word, "allow") || span_is(line.word, "deny"));
}

bool policy_parse(struct pmu_policy *policy, const char *text, size_t size,
                  struct policy_error *error)
{
    const char *end = text + size;

    error->line = 1;
    error->word[0] = 0;
    error->message = "larger than 256 KiB: not a policy";
    if (size > POLICY_LIMIT)
        return false;
    if (size >= 3 && (u8)text[0] == 0xef && (u8)text[1] == 0xbb && (u8)text[2] == 0xbf)
        text += 3;
    for (; text < end; error->line++) {
        const char *eol = text;

        while (eol < end && *eol != '\n')
            eol++;
        if (!policy_parse_line(policy, text, (size_t)(eol - text), error))
            return false;
        text = eol < end ? eol + 1 : end;
    }
    return true;
}

bool policy_allows_something(const struct pmu_policy *policy)
{
    bool some = policy->presets[POLICY_ALLOW] || policy->fixed[POLICY_ALLOW];

    for (u32 i = 0; i < policy->event_count; i++)
        some |= !policy->events[i].exclude;
    return some;
}

void policy_start(struct pmu_policy *policy, struct filter_entry *room, u32 count)
{
    *policy = (struct pmu_policy){.events = room, .event_room = count};
}
