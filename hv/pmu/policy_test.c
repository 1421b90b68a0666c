#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "fake/policy_fixture.h"

static struct filter_entry room[POLICY_EVENTS];
static struct pmu_policy policy;
static struct policy_error error;
static struct filter filter;

/* The text is copied to memory exactly as long: a read past its end is seen. */
static bool parse(const char *text, size_t size)
{
    char *copy = malloc(size + !size);

    memcpy(copy, text, size);
    policy_start(&policy, room, POLICY_EVENTS);
    bool good = policy_parse(&policy, copy, size, &error);
    free(copy);
    return good;
}

static void good(const char *text)
{
    if (!parse(text, strlen(text)))
        fail_msg("%u: '%s': %s", error.line, error.word, error.message);
}

static void build(const char *text, enum reference_cpu cpu)
{
    struct policy_cpu on = test_cpu(cpu);

    good(text);
    policy_build(&filter, &policy, &on);
}

static void bad(const char *text, u32 line, const char *word, const char *part)
{
    assert_false(parse(text, strlen(text)));
    assert_int_equal(error.line, line);
    assert_string_equal(error.word, word);
    if (!strstr(error.message, part))
        fail_msg("\"%s\" says \"%s\", not \"%s\"", text, error.message, part);
}

static void reads_events(void **state)
{
    static const struct {
        const char *text;
        struct filter_entry entry;
    } cases[] = {
        {"allow 0xc0/0x00", {0xc0, 0xc0, 0xff, 0, 0, false}},
        {"deny 192/0", {0xc0, 0xc0, 0xff, 0, 0, true}},
        {"allow 010/0X0A", {10, 10, 0xff, 10, 0, false}},
        {"\tallow  0xa0-0XaF/*\r", {0xa0, 0xaf, 0, 0, 0, false}},
        {"deny 0xfff/0x80&0xf0#x", {0xfff, 0xfff, 0xf0, 0x80, 0, true}},
        {"allow 0/255/1 # y", {0, 0, 0xff, 0xff, 1, false}},
        {"allow 0-0xfff/*/*", {0, 0xfff, 0, 0, ANY_UMASK2, false}},
        {"allow 0x1/0&0/255", {1, 1, 0, 0, 255, false}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct filter_entry *got = &policy.events[0], *want = &cases[i].entry;

        good(cases[i].text);
        assert_int_equal(policy.event_count, 1);
        got = &policy.events[0];
        assert_true(got->first == want->first && got->last == want->last);
        assert_true(got->mask == want->mask && got->match == want->match);
        assert_true(got->umask2 == want->umask2 && got->exclude == want->exclude);
    }
}

static void reads_the_rest(void **state)
{
    (void)state;
    good("\xef\xbb\xbf# comment\r\n\r\n  \nallow architectural\ndeny core\nallow all# x\n"
         "allow fixed 0 2 15\ndeny fixed 2\nallow topdown\n"
         "allow modifier edge cmask\nallow modifier eq\ndeny modifier cmask in_tx\n"
         "allow offcore 0x3f803c0001\ndeny offcore 0x8000&0x8000\nallow ldlat *\n"
         "deny uncore\nallow lbr\nallow pebs\ndeny lbr\nallow energy # x");
    assert_int_equal(policy.presets[POLICY_ALLOW], 1 << PRESET_ARCHITECTURAL | 1 << PRESET_ALL);
    assert_int_equal(policy.presets[POLICY_DENY], 1 << PRESET_CORE);
    assert_int_equal(policy.fixed[POLICY_ALLOW], 0x800d);
    assert_int_equal(policy.fixed[POLICY_DENY], 0x4);
    assert_int_equal(policy_modifiers(&policy), EVTSEL_EDGE | EVTSEL_EQ | EVTSEL_ADAPTIVE);
    assert_int_equal(policy.aux_count, 3);
    assert_int_equal(policy.event_count, 0);
    assert_int_equal(policy_grants(&policy), 1 << GRANT_PEBS | 1 << GRANT_ENERGY);
    assert_true(policy_allows_something(&policy));
    good("");
    assert_int_equal(policy_grants(&policy), 0);
    assert_false(policy_allows_something(&policy));
    good("deny 1/1\nallow modifier inv\nallow offcore 1\nallow lbr");
    assert_false(policy_allows_something(&policy));
}

static void refuses_what_is_wrong(void **state)
{
    (void)state;
    bad("\n\npermit 0xc0/0x00", 3, "permit", "starts with 'allow' or 'deny'");
    bad("Allow core", 1, "Allow", "starts with");
    bad("allow", 1, "", "need an event");
    bad("# x\nallow # core", 2, "", "need an event");
    bad("allow cores", 1, "cores", "neither an event as 0xc0/0x00, nor architectural");
    bad("allow inst_retired.any", 1, "inst_retired.any", "neither an event");
    bad("allow 0x412e", 1, "0x412e", "up to 0xfff");
    bad("allow 0x2e", 1, "0x2e", "write event select and umask apart");
    bad("allow 0x/0", 1, "0x/0", "an event select is");
    bad("allow 0xaf-0xa0/*", 1, "0xaf-0xa0/*", "an event select is");
    bad("allow 0xc0/0x100", 1, "0xc0/0x100", "a umask is");
    bad("allow 0xc0/", 1, "0xc0/", "a umask is");
    bad("allow 0xc0/1&", 1, "0xc0/1&", "a umask is");
    bad("allow 0xc0/1&0x100", 1, "0xc0/1&0x100", "a umask is");
    bad("allow 0xc0/*&1", 1, "0xc0/*&1", "an event is SELECT/UMASK");
    bad("allow 0xc0/1x", 1, "0xc0/1x", "an event is SELECT/UMASK");
    bad("allow 0xc0/1/", 1, "0xc0/1/", "a second umask");
    bad("allow 0xc0/1/0x100", 1, "0xc0/1/0x100", "a second umask");
    bad("allow 0xc0/1/1/1", 1, "0xc0/1/1/1", "an event is SELECT/UMASK");
    bad("allow 0xd0/0x1f&0x0f", 1, "0xd0/0x1f&0x0f", "not in MASK");
    bad("allow 0xc0/0 0xc1/0", 1, "0xc1/0", "one thing per line");
    bad("allow core all", 1, "all", "one thing per line");
    bad("allow topdown 1", 1, "1", "one thing per line");
    bad("allow ldlat 1 2", 1, "2", "one thing per line");
    bad("allow = core", 1, "=", "neither an event");
    bad("allow fixed", 1, "", "needs the numbers");
    bad("allow fixed 0 16", 1, "16", "number up to 15");
    bad("allow fixed 0x", 1, "0x", "number up to 15");
    bad("allow modifier", 1, "", "needs edge");
    bad("allow modifier edge cmsk", 1, "cmsk", "modifiers are");
    bad("allow offcore", 1, "", "a register's value");
    bad("allow offcore 0x10000000000000000", 1, "0x10000000000000000", "a register's value");
    bad("allow offcore 18446744073709551616", 1, "18446744073709551616", "a register's value");
    bad("allow offcore 3&1", 1, "3&1", "not in MASK");
    bad("allow lbr 1", 1, "1", "one thing per line");
    bad("allow core\nallow \x01", 2, "", "not a text file");
    bad("allow \xc3\xa4\xc3\xb6", 1, "????", "neither an event");
    bad("allow 0123456789012345678901234567890123456789/0", 1, "0123456789012345678901234567890",
        "up to 0xfff");
}

static void a_refused_line_leaves_no_trace(void **state)
{
    static const char *const lines[] = {
        "allow 0xc0/0x00 x",   "deny core x",       "allow fixed 1 x",
        "allow topdown x",     "allow offcore 1 x", "allow modifier inv x",
        "allow 0xc0/0x00/1 x", "allow lbr x",       "deny everything x"};
    static const struct filter_entry untouched[2];
    struct pmu_policy before;

    (void)state;
    memset(room, 0, sizeof(room));
    policy_start(&policy, room, 2);
    policy_start(&before, room, 2);
    for (size_t i = 0; i < COUNT(lines); i++) {
        assert_false(policy_parse_line(&policy, lines[i], strlen(lines[i]), &error));
        assert_memory_equal(&policy, &before, sizeof(policy));
        assert_memory_equal(room, untouched, sizeof(untouched));
    }
}

static void has_bounds(void **state)
{
    static char text[POLICY_LIMIT + 1];
    size_t used = 0;

    (void)state;
    for (int i = 0; i < POLICY_EVENTS; i++)
        used += (size_t)sprintf(text + used, "allow 0x%x/0\n", i);
    good(text);
    strcpy(text + used, "deny 1/1");
    bad(text, POLICY_EVENTS + 1, "1/1", "too many events");
    for (int i = used = 0; i < POLICY_AUX; i++)
        used += (size_t)sprintf(text + used, "allow offcore %d\n", i);
    good(text);
    strcpy(text + used, "deny ldlat 1");
    bad(text, POLICY_AUX + 1, "1", "more than 64 lines");
    for (int i = used = 0; i < 2 * FILTER_NAMED_UMASK2; i++)
        used += (size_t)sprintf(text + used, "allow 1/%d/%d\n", i, 1 + i / 2);
    good(text);
    strcpy(text + used, "allow 1/1/*\nallow 1/1/255");
    bad(text, 2 * FILTER_NAMED_UMASK2 + 2, "1/1/255", "more than 14");
    memset(text, '\n', sizeof(text));
    assert_true(parse(text, POLICY_LIMIT));
    assert_false(parse(text, POLICY_LIMIT + 1));
    assert_non_null(strstr(error.message, "larger than 256 KiB"));
}

static void finds_its_lines(void **state)
{
    (void)state;
    assert_true(policy_is_line("  allow x", 9) && policy_is_line("deny", 4));
    assert_false(policy_is_line("allow", 4) || policy_is_line("allowed = 1", 11));
    assert_false(policy_is_line("", 0) || policy_is_line("# allow", 7));
}

static void presets_allow_fixed_counters(void **state)
{
    (void)state;
    assert_int_equal(policy_fixed(&policy_default), 0x7);
    good("allow core\ndeny fixed 3");
    assert_int_equal(policy_fixed(&policy), 0xfff7);
    good("deny architectural\nallow all");
    assert_int_equal(policy_fixed(&policy), 0xfff8);
    good("allow 0xc0/0x00");
    assert_int_equal(policy_fixed(&policy), 0);
}

static void judges_register_values(void **state)
{
    (void)state;
    good("allow offcore 0x10001\nallow offcore 0x100&0xf00\ndeny offcore 0x8000&0x8000\n"
         "allow ldlat *\ndeny frontend 0x11");
    assert_true(policy_allows_aux(&policy, AUX_OFFCORE, 0));
    assert_true(policy_allows_aux(&policy, AUX_OFFCORE, 0x10001));
    assert_true(policy_allows_aux(&policy, AUX_OFFCORE, 0x7101));
    assert_false(policy_allows_aux(&policy, AUX_OFFCORE, 0x8100));
    assert_false(policy_allows_aux(&policy, AUX_OFFCORE, 0x10003));
    assert_true(policy_allows_aux(&policy, AUX_LDLAT, 3));
    assert_true(policy_allows_aux(&policy, AUX_FRONTEND, 0));
    assert_false(policy_allows_aux(&policy, AUX_FRONTEND, 0x11));
    assert_false(policy_allows_aux(&policy, AUX_FRONTEND, 0x12));
}

static void everything_but_what_is_denied(void **state)
{
    const u32 all = (1U << GRANTS) - 1;

    (void)state;
    good("allow everything");
    assert_int_equal(policy_grants(&policy), all);
    assert_int_equal(policy_fixed(&policy), 0xffff);
    assert_true(policy_modifiers(&policy) == ~0ULL);
    assert_true(policy_allows_aux(&policy, AUX_FRONTEND, 0x11));
    assert_true(policy_allows_something(&policy));
    good("allow everything\ndeny lbr\ndeny modifier any\ndeny frontend 0x11");
    assert_int_equal(policy_grants(&policy), all & ~(1U << GRANT_LBR));
    assert_true(policy_modifiers(&policy) == ~EVTSEL_ANY);
    assert_false(policy_allows_aux(&policy, AUX_FRONTEND, 0x11));
    assert_true(policy_allows_aux(&policy, AUX_FRONTEND, 0x12));
    good("allow all\nallow lbr\nallow offcore *\nallow modifier edge\ndeny everything");
    assert_int_equal(policy_grants(&policy) | policy_fixed(&policy), 0);
    assert_true(policy_modifiers(&policy) == 0);
    assert_false(policy_allows_aux(&policy, AUX_OFFCORE, 1));
    assert_true(policy_allows_aux(&policy, AUX_OFFCORE, 0));
    good("allow all");
    assert_int_equal(policy_grants(&policy), 0);
}

static void the_default_is_architectural(void **state)
{
    struct policy_cpu zen = test_cpu(REFERENCE_ZEN);
    u32 allowed = 0;

    (void)state;
    policy_build(&filter, &policy_default, &zen);
    for (u32 i = 0; i < COUNT(filter.allowed); i++)
        allowed += (u32)__builtin_popcount(filter.allowed[i]);
    assert_int_equal(allowed, 7);
    assert_true(filter_allows(&filter, 0x5300c0));
    assert_false(filter_allows(&filter, 0x5700c0));
}

/* --- the whole space against the reference --------------------------------------------------- */

static const char *const texts[] = {
    "allow architectural",
    "allow core\nallow modifier edge inv cmask\ndeny 0xc0/0x01/*\n",
    "deny modifier any\nallow all\nallow modifier any in_tx eq cmask\ndeny 0x80-0x11f/0x80&0x81/*\n"
    "deny 0x85/0x80/0x7f",
    "allow 0xa0-0x1af/0x10&0x70\ndeny 0xb0-0xbf/*\nallow 0xc4/0x20/0x01\nallow 0xc4/*/0x80\n"
    "allow 0x400-0xfff/*\nallow 0x00-0x0f/*/*\ndeny 0x05/*/0x80\ndeny core\nallow modifier inv",
};

/* Bits that may change how an event counts, or that no selector has. */
static const u64 modifier_bits_tested[] = {
    EVTSEL_EDGE, BIT(19), EVTSEL_ANY, EVTSEL_INV, BIT(32),    BIT(33),  BIT(34),
    BIT(36),     BIT(37), BIT(39),    BIT(40),    BIT(41),    BIT(42),  BIT(47),
    BIT(48),     BIT(63), EVTSEL_USR, EVTSEL_OS,  EVTSEL_INT, EVTSEL_EN};

static const u64 cmasks[] = {0, BIT(24), EVTSEL_CMASK};

/* UMASK2: none, named by a text or not, lowest, highest. */
static const u64 umask2s[] = {0, 0x01, 0x02, 0x7f, 0x80, 0xff};

static bool verdicts[COUNT(umask2s)][1 << 20]; /* by umask2, umask, select */

static u64 selector_of(u64 select, u64 umask, u64 umask2)
{
    return (select & 0xff) | umask << 8 | (select >> 8) << 32 | umask2 << 40;
}

static void ask_reference(const char *text, enum reference_cpu cpu, u32 selects, u32 kinds)
{
    for (u32 k = 0; k < kinds; k++)
        for (u32 umask = 0; umask < 256; umask++)
            for (u32 select = 0; select < selects; select++)
                verdicts[k][umask << 12 | select] = reference_event_allowed(
                    text, cpu, (struct reference_event){select, umask, (unsigned)umask2s[k]});
}

/* One combination of modifiers with every event. Those that coincide with bits of event select or
 * UMASK2 are other events, which have their turn. */
static u64 compare(const char *text, enum reference_cpu cpu, u32 selects, u32 kinds, u64 bits)
{
    bool legal = !(reference_rest_of(cpu, bits) & ~reference_other_bits(text, cpu));

    if (bits != reference_rest_of(cpu, bits))
        return 0;
    for (u32 k = 0; k < kinds; k++)
        for (u32 umask = 0; umask < 256; umask++)
            for (u32 select = 0; select < selects; select++) {
                u64 selector = selector_of(select, umask, umask2s[k]) | bits;

                if (filter_allows(&filter, selector) !=
                    (legal && verdicts[k][umask << 12 | select]))
                    fail_msg("%s: %#llx under \"%s\"", cpu_names[cpu], (unsigned long long)selector,
                             text);
            }
    return (u64)kinds * 256 * selects;
}

static u64 compare_modifiers(const char *text, enum reference_cpu cpu)
{
    u32 selects = cpu == REFERENCE_ZEN ? 4096 : 256;
    u32 kinds = cpu == REFERENCE_INTEL_V6 ? COUNT(umask2s) : 1;
    u64 asked = 0;

    build(text, cpu);
    ask_reference(text, cpu, selects, kinds);
    for (u32 c = 0; c < COUNT(cmasks); c++)
        for (u32 i = 0; i < COUNT(modifier_bits_tested); i++)
            for (u32 j = i; j < COUNT(modifier_bits_tested); j++)
                asked += compare(text, cpu, selects, kinds,
                                 modifier_bits_tested[i] | modifier_bits_tested[j] | cmasks[c]);
    for (u32 c = 0; c < COUNT(cmasks); c++)
        asked += compare(text, cpu, selects, kinds, cmasks[c]);
    return asked;
}

static void every_selector_follows_the_reference(void **state)
{
    (void)state;
    for (u32 cpu = 0; cpu < COUNT(cpu_names); cpu++) {
        u64 asked = 0;

        for (u32 i = 0; i < COUNT(texts); i++)
            asked += compare_modifiers(texts[i], cpu);
        print_message("counted: %s: %llu selectors judged as the reference does\n", cpu_names[cpu],
                      (unsigned long long)asked);
    }
}

/* --- random texts ---------------------------------------------------------------------------- */

static u32 next_random(u32 *random)
{
    *random = *random * 1664525 + 1013904223;
    return *random >> 12;
}

static size_t random_line(char *out, u32 *random)
{
    static const char *const others[] = {
        "core", "all", "architectural", "modifier edge inv", "modifier cmask", "modifier any"};
    const char *verb = next_random(random) % 3 ? "allow" : "deny";
    u32 first = next_random(random) & 0xff, last = MIN(first + next_random(random) % 20, 0xffU);
    u32 mask = next_random(random) & 0xff, match = next_random(random) & mask;

    if (next_random(random) % 12 == 0)
        return (size_t)sprintf(out, "%s %s\n", verb, others[next_random(random) % COUNT(others)]);
    if (next_random(random) % 6 == 0)
        return (size_t)sprintf(out, "%s 0x%x/*/*\n", verb, first);
    return (size_t)sprintf(out, "%s 0x%x-0x%x/0x%x&0x%x/%u\n", verb, first, last, match, mask,
                           next_random(random) % 3);
}

static void reverse_lines(const char *text, char *out)
{
    size_t size = strlen(text);

    for (size_t end = size; end > 0;) {
        size_t start = end - 1;

        while (start > 0 && text[start - 1] != '\n')
            start--;
        out += sprintf(out, "%.*s", (int)(end - start), text + start);
        end = start;
    }
}

static void order_makes_no_difference(void **state)
{
    static struct filter forward;
    static char text[8192], reversed[8192];
    u32 random = 7, checked = 0;

    (void)state;
    for (u32 round = 0; round < 60; round++) {
        enum reference_cpu cpu = round % COUNT(cpu_names);
        size_t used = 0;

        for (u32 i = next_random(&random) % 30 + 1; i > 0; i--)
            used += random_line(text + used, &random);
        build(text, cpu);
        forward = filter;
        reverse_lines(text, reversed);
        build(reversed, cpu);
        for (u32 i = 0; i < 20000; i++, checked++) {
            u64 selector = (u64)next_random(&random) << 44 ^ (u64)next_random(&random) << 24 ^
                           next_random(&random);

            if (i & 1)
                selector &= 0x030fffffffULL & ~BIT(19);
            if (i & 2)
                selector &= 0x0f0002ff00ffffULL;
            bool expected = reference_decides(text, cpu, selector);
            assert_int_equal(filter_allows(&forward, selector), expected);
            assert_int_equal(filter_allows(&filter, selector), expected);
        }
    }
    print_message("counted: %u selectors judged alike, whatever the order of lines\n", checked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_events),
        cmocka_unit_test(reads_the_rest),
        cmocka_unit_test(refuses_what_is_wrong),
        cmocka_unit_test(a_refused_line_leaves_no_trace),
        cmocka_unit_test(has_bounds),
        cmocka_unit_test(finds_its_lines),
        cmocka_unit_test(presets_allow_fixed_counters),
        cmocka_unit_test(judges_register_values),
        cmocka_unit_test(everything_but_what_is_denied),
        cmocka_unit_test(the_default_is_architectural),
        cmocka_unit_test(every_selector_follows_the_reference),
        cmocka_unit_test(order_makes_no_difference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
