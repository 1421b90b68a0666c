/* For tests: what a policy's text means, worked out again for every single question with nothing
 * but the C library, by the rule as docs/policy.md states it. Only for texts that the parser took.
 */
#ifndef CEDE_PMU_POLICY_REFERENCE_H
#define CEDE_PMU_POLICY_REFERENCE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "types.h"

enum reference_cpu { REFERENCE_ZEN, REFERENCE_INTEL, REFERENCE_INTEL_V6 };

struct reference_event {
    unsigned select, umask, umask2;
};

static bool reference_listed(const unsigned *codes, size_t count, struct reference_event e)
{
    for (size_t i = 0; i < count; i++)
        if (codes[i] == (e.select | e.umask << 12) && !e.umask2)
            return true;
    return false;
}

/* Selects in bits 11:0, umasks above. */
static bool reference_architectural(enum reference_cpu cpu, struct reference_event e)
{
    static const unsigned zen[] = {0x00076, 0x01120, 0x000c0, 0x000c2, 0x000c3, 0xff060, 0x09064};
    static const unsigned intel[] = {0x0003c, 0x000c0, 0x0103c, 0x4f02e, 0x4102e, 0x000c4, 0x000c5};

    return cpu == REFERENCE_ZEN ? reference_listed(zen, COUNT(zen), e)
                                : reference_listed(intel, COUNT(intel), e);
}

static bool reference_needs_register(struct reference_event e)
{
    switch (e.select) {
    case 0x0b:
        return e.umask & 0x10;
    case 0xb7:
        return e.umask & 3;
    case 0x2a:
    case 0x2b:
    case 0xbb:
    case 0xc6:
    case 0xcd:
        return e.umask & 1;
    }
    return false;
}

static unsigned long reference_number(char **at)
{
    bool hex = (*at)[0] == '0' && ((*at)[1] == 'x' || (*at)[1] == 'X');

    return strtoul(*at, at, hex ? 16 : 10);
}

/* Whether an event as `word` has it covers e. */
static bool reference_covers(char *word, struct reference_event e)
{
    unsigned long first = reference_number(&word), last = first, match = 0, mask = 0, umask2 = 0;

    if (*word == '-')
        word++, last = reference_number(&word);
    word++;
    if (*word == '*') {
        word++;
    } else {
        match = reference_number(&word);
        mask = 0xff;
        if (*word == '&')
            word++, mask = reference_number(&word);
    }
    if (e.select < first || e.select > last || (e.umask & mask) != match)
        return false;
    if (*word == '/' && word[1] == '*')
        return true;
    if (*word == '/')
        word++, umask2 = reference_number(&word);
    return umask2 == e.umask2;
}

static bool reference_hits(char *what, enum reference_cpu cpu, struct reference_event e)
{
    if (what[0] >= '0' && what[0] <= '9')
        return reference_covers(what, e);
    if (!strcmp(what, "architectural"))
        return reference_architectural(cpu, e);
    if (!strcmp(what, "core"))
        return cpu == REFERENCE_ZEN || !reference_needs_register(e);
    return !strcmp(what, "all") || !strcmp(what, "everything");
}

/* Calls back for each line with its verb and what follows; `text` is NUL-terminated. */
typedef void reference_line(void *context, bool deny, char *what);

static void reference_lines(const char *text, reference_line *each, void *context)
{
    char *copy = strdup(text), *rest = copy, *line;

    if (!strncmp(copy, "\xef\xbb\xbf", 3))
        rest += 3;
    while ((line = strsep(&rest, "\n"))) {
        char *verb, *inner;

        line[strcspn(line, "#")] = 0;
        verb = strtok_r(line, " \t\r", &inner);
        if (verb)
            each(context, verb[0] == 'd', inner);
    }
    free(copy);
}

struct reference_question {
    enum reference_cpu cpu;
    struct reference_event event;
    bool allowed, denied;
};

static void reference_ask(void *context, bool deny, char *what)
{
    struct reference_question *q = context;
    char *rest, *word = strtok_r(what, " \t\r", &rest);

    if (!reference_hits(word, q->cpu, q->event))
        return;
    if (deny)
        q->denied = true;
    else
        q->allowed = true;
}

static bool reference_event_allowed(const char *text, enum reference_cpu cpu,
                                    struct reference_event event)
{
    struct reference_question q = {cpu, event, false, false};

    if (event.select >= (cpu == REFERENCE_ZEN ? 4096 : 256) ||
        (event.umask2 && cpu != REFERENCE_INTEL_V6))
        return false;
    if (cpu == REFERENCE_ZEN && (event.select & 0xe0) == 0xe0)
        return false;
    reference_lines(text, reference_ask, &q);
    return q.allowed && !q.denied;
}

struct reference_modifiers {
    u64 allowed, denied;
};

static void reference_add_modifiers(void *context, bool deny, char *what)
{
    static const struct {
        const char *name;
        u64 bits;
    } known[] = {{"edge", 1 << 18}, {"inv", 1 << 23},      {"cmask", 0xff000000},
                 {"any", 1 << 21},  {"in_tx", 3ULL << 32}, {"eq", 1ULL << 36}};
    struct reference_modifiers *m = context;
    char *rest, *word = strtok_r(what, " \t\r", &rest);

    if (!strcmp(word, "everything"))
        *(deny ? &m->denied : &m->allowed) = ~0ULL;
    if (!strcmp(word, "pebs")) /* the form of its records */
        *(deny ? &m->denied : &m->allowed) |= 1ULL << 34;
    if (strcmp(word, "modifier"))
        return;
    while ((word = strtok_r(NULL, " \t\r", &rest)))
        for (size_t i = 0; i < COUNT(known); i++)
            if (!strcmp(word, known[i].name))
                *(deny ? &m->denied : &m->allowed) |= known[i].bits;
}

/* Selector bits besides event and umasks that the text allows on this processor. */
static u64 reference_other_bits(const char *text, enum reference_cpu cpu)
{
    struct reference_modifiers m = {0, 0};
    u64 both = 1 << 18 | 1 << 23 | 0xff000000U;
    u64 zen = both, new = both | 7ULL << 32, intel = new | 1 << 21, v6 = new | 1ULL << 36;
    u64 free = 1 << 16 | 1 << 17 | 1 << 20 | 1 << 22;

    reference_lines(text, reference_add_modifiers, &m);
    m.allowed &= ~m.denied;
    if (cpu == REFERENCE_ZEN)
        return (m.allowed & zen) | free | 3ULL << 40;
    return (m.allowed & (cpu == REFERENCE_INTEL ? intel : v6)) | free;
}

static struct reference_event reference_event_of(enum reference_cpu cpu, u64 selector)
{
    struct reference_event e = {selector & 0xff, selector >> 8 & 0xff, 0};

    if (cpu == REFERENCE_ZEN)
        e.select |= (selector >> 32 & 0xf) << 8;
    if (cpu == REFERENCE_INTEL_V6)
        e.umask2 = selector >> 40 & 0xff;
    return e;
}

/* The selector's bits that are not event or umask. */
static u64 reference_rest_of(enum reference_cpu cpu, u64 selector)
{
    selector &= ~0xffffULL;
    if (cpu == REFERENCE_ZEN)
        selector &= ~(0xfULL << 32);
    return cpu == REFERENCE_INTEL_V6 ? selector & ~(0xffULL << 40) : selector;
}

static inline bool reference_decides(const char *text, enum reference_cpu cpu, u64 selector)
{
    return !(reference_rest_of(cpu, selector) & ~reference_other_bits(text, cpu)) &&
           reference_event_allowed(text, cpu, reference_event_of(cpu, selector));
}

#endif
