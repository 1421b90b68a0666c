/* From the text of a policy to its decisions: any text is parsed without a fault, and what is taken
 * decides as the reference reads the same text. An input starts with a kind of processor and the
 * selectors that are asked about; the rest is the text, in which bytes from 80H on stand for whole
 * words, so that most inputs say something. */
#define _GNU_SOURCE
#include "fake/policy_fixture.h"

#define QUESTIONS 4
#define HEAD      (1 + QUESTIONS * sizeof(u64))

static const char *const words[] = {
    "\nallow ",   "\ndeny ",    "allow ", "core",  "all",    "architectural", "modifier ",
    "edge ",      "inv ",       "cmask ", "any ",  "in_tx ", "eq ",           "fixed 0 ",
    "topdown",    "everything", "/*",     "/*/*",  "/0x00",  "/0x01",         "0xc0",
    "0xc4",       "0x2e",       "0x76",   "-0xff", "-0xfff", "&0xf0",         "&1",
    "offcore 1 ", "ldlat *",    "# x",    "/255",
};

/* Returns text that the caller frees. */
static char *spell(const u8 *data, size_t size)
{
    char *text = malloc(size * 16 + 1), *at = text;

    for (size_t i = 0; i < size; i++)
        if (data[i] < 0x80)
            *at++ = (char)data[i];
        else
            at = stpcpy(at, words[data[i] % COUNT(words)]);
    *at = 0;
    return text;
}

static void ask(const struct filter *filter, const char *text, enum reference_cpu cpu, u64 selector)
{
    if (filter_allows(filter, selector) != reference_decides(text, cpu, selector))
        abort();
}

/* A selector that an entry is about. */
static u64 selector_for(const struct filter_entry *entry, bool last)
{
    u64 select = last ? entry->last : entry->first, umask2 = entry->umask2 & 0xff;

    return (select & 0xff) | (u64)entry->match << 8 | select >> 8 << 32 | umask2 << 40;
}

static void decide(const char *text, const struct pmu_policy *policy, enum reference_cpu cpu,
                   const u64 *selectors)
{
    static struct filter filter;
    struct policy_cpu on = test_cpu(cpu);

    policy_build(&filter, policy, &on);
    for (u32 i = 0; i < QUESTIONS; i++)
        ask(&filter, text, cpu, selectors[i]);
    for (u32 i = 0; i < MIN(policy->event_count, 8); i++) {
        u64 selector = selector_for(&policy->events[i], i & 1);

        ask(&filter, text, cpu, selector);
        ask(&filter, text, cpu, selector ^ selectors[i % QUESTIONS]);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static struct filter_entry room[64];
    struct pmu_policy policy;
    struct policy_error error;
    u64 selectors[QUESTIONS];
    char *text;

    if (size < HEAD)
        return 0;
    memcpy(selectors, data + 1, sizeof(selectors));
    text = spell(data + HEAD, size - HEAD);
    policy_start(&policy, room, COUNT(room));
    if (policy_parse(&policy, text, strlen(text), &error))
        decide(text, &policy, data[0] % 3, selectors);
    else if (!error.message || !memchr(error.word, 0, sizeof(error.word)) || !error.line)
        abort();
    free(text);
    return 0;
}
