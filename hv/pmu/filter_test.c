#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "pmu/filter.c"

#define AMD_HIGH  MASK(35, 32)
#define FREE      (EVTSEL_EVENT | EVTSEL_UMASK | EVTSEL_USR | EVTSEL_OS | EVTSEL_INT | EVTSEL_EN)
#define MODIFIERS (EVTSEL_EDGE | EVTSEL_INV | EVTSEL_CMASK)

static const struct filter_format amd = {.event_high = AMD_HIGH,
                                         .free = FREE | AMD_HIGH | MASK(41, 40),
                                         .modifiers = MODIFIERS,
                                         .never = 0xe0};
static const struct filter_format intel = {.free = FREE,
                                           .modifiers = MODIFIERS | EVTSEL_ANY | EVTSEL_IN_TX};

static const struct filter_format intel_6 = {
    .umask2 = EVTSEL_UMASK2, .free = FREE | EVTSEL_UMASK2, .modifiers = MODIFIERS};

static struct filter filter;

/* The rule itself, slow and plain, from the selector's bits to the answer. */
static bool filter_reference(const struct filter_format *format, u64 modifiers,
                             const struct filter_entry *entries, u32 count, u64 selector)
{
    u32 event = selector & 0xff, umask = selector >> 8 & 0xff;
    bool included = false;

    if (format->event_high)
        event |= (selector >> 32 & 0xf) << 8;
    if (selector & ~(format->free | modifiers))
        return false;
    if (format->never && (event & format->never) == format->never)
        return false;
    for (u32 i = 0; i < count; i++) {
        if (event < entries[i].first || event > entries[i].last)
            continue;
        if ((umask & entries[i].mask) != entries[i].match)
            continue;
        if (entries[i].exclude)
            return false;
        included = true;
    }
    return included;
}

static u64 selector_of(u32 event, u32 umask)
{
    return (event & 0xff) | umask << 8 | (u64)(event >> 8) << 32;
}

/* Every event with every umask, `extra` bits added to each. Returns how many were allowed. */
static u32 compare_all(const struct filter_format *format, u64 modifiers,
                       const struct filter_entry *entries, u32 count, u64 extra)
{
    u32 allowed = 0, events = format->event_high ? 4096 : 256;

    for (u32 event = 0; event < events; event++) {
        for (u32 umask = 0; umask < 256; umask++) {
            u64 selector = selector_of(event, umask) | extra;
            bool expected = filter_reference(format, modifiers, entries, count, selector);

            if (filter_allows(&filter, selector) != expected)
                fail_msg("selector %#llx: expected %d", (unsigned long long)selector, expected);
            allowed += expected;
        }
    }
    return allowed;
}

#define ENTRY(first, last, mask, match, exclude) \
    {                                            \
        first, last, mask, match, 0, exclude     \
    }

static const struct filter_entry mixed[] = {
    ENTRY(0xc0, 0xc0, 0xff, 0x00, false),   ENTRY(0x0e, 0x0e, 0x00, 0x00, false),
    ENTRY(0x0e, 0x0e, 0xff, 0x22, true),    ENTRY(0x29, 0x29, 0xf0, 0x10, true),
    ENTRY(0x29, 0x29, 0x01, 0x01, false),   ENTRY(0x100, 0x17f, 0xc0, 0x40, false),
    ENTRY(0x120, 0x140, 0x03, 0x03, true),  ENTRY(0xe0, 0xff, 0x00, 0x00, false),
    ENTRY(0x4e0, 0x4ff, 0x00, 0x00, false), ENTRY(0xfff, 0xfff, 0x00, 0x00, false),
    ENTRY(0x1d0, 0x1ff, 0x80, 0x80, false), ENTRY(0x80, 0x81, 0x0f, 0x1f, false), /* never hits */
};

static void follows_the_reference(void **state)
{
    (void)state;
    filter_build(&filter, &amd, 0, mixed, COUNT(mixed));
    assert_int_not_equal(compare_all(&amd, 0, mixed, COUNT(mixed), 0), 0);
    filter_build(&filter, &intel, 0, mixed, COUNT(mixed));
    assert_int_not_equal(compare_all(&intel, 0, mixed, COUNT(mixed), EVTSEL_EN | EVTSEL_USR), 0);
}

/* Backwards, with each in turn as the first. */
static void order_makes_no_difference(void **state)
{
    struct filter_entry turned[COUNT(mixed)];

    (void)state;
    for (u32 first = 0; first < COUNT(mixed); first++) {
        for (u32 i = 0; i < COUNT(mixed); i++)
            turned[i] = mixed[(first + COUNT(mixed) - i) % COUNT(mixed)];
        filter_build(&filter, &amd, 0, turned, COUNT(turned));
        compare_all(&amd, 0, mixed, COUNT(mixed), 0);
    }
}

/* Its memory is not zeroed, or had another policy. */
static void nothing_is_left_of_what_was_there(void **state)
{
    static const struct filter_format *const formats[] = {&amd, &intel, &intel_6};
    static struct filter fresh;

    (void)state;
    for (u32 i = 0; i < COUNT(formats); i++) {
        memset(&fresh, 0, sizeof(fresh));
        memset(&filter, 0x55, sizeof(filter));
        filter_build(&fresh, formats[i], 0, mixed, COUNT(mixed));
        filter_build(&filter, formats[i], 0, mixed, COUNT(mixed));
        assert_memory_equal(&filter, &fresh, sizeof(filter));
    }
}

static u32 next_random(u32 *random)
{
    *random = *random * 1664525 + 1013904223;
    return *random >> 12;
}

static void random_entries(struct filter_entry *entries, u32 count, u32 *random)
{
    for (u32 i = 0; i < count; i++) {
        u16 first = next_random(random) & 0xfff;

        entries[i].first = first;
        entries[i].last = MIN(first + (next_random(random) & 0xf), 0xfff);
        entries[i].mask = next_random(random) & next_random(random);
        entries[i].match = next_random(random) & entries[i].mask;
        entries[i].umask2 = 0;
        entries[i].exclude = !(next_random(random) & 3);
    }
}

static void random_tables_follow_the_reference(void **state)
{
    struct filter_entry entries[60];
    u32 random = 2;

    (void)state;
    for (u32 round = 0; round < 12; round++) {
        const struct filter_format *format = round & 1 ? &intel : &amd;

        random_entries(entries, COUNT(entries), &random);
        filter_build(&filter, format, 0, entries, COUNT(entries));
        compare_all(format, 0, entries, COUNT(entries), 0);
    }
}

static void check_modifiers(const struct filter_format *format, u64 allowed)
{
    static const u64 cmasks[] = {0, BIT(24), EVTSEL_CMASK};

    filter_build(&filter, format, allowed, mixed, COUNT(mixed));
    for (u32 i = 0; i < 64 * 64; i++) {
        u64 bits = (BIT(i % 64) | BIT(i / 64)) & ~(EVTSEL_EVENT | EVTSEL_UMASK | EVTSEL_CMASK);

        for (u32 c = 0; c < COUNT(cmasks); c++) {
            u64 selector = 0xc0 | bits | cmasks[c];
            u64 used = format->modifiers & allowed;

            assert_int_equal(filter_allows(&filter, selector),
                             filter_reference(format, used, mixed, COUNT(mixed), selector));
        }
    }
}

/* Every bit alone and with every other one, with cmask 0, 1 and the largest. */
static void modifiers_are_refused_unless_allowed(void **state)
{
    static const u64 allowed[] = {
        0,       EVTSEL_EDGE,  EVTSEL_INV, EVTSEL_CMASK, EVTSEL_EDGE | EVTSEL_CMASK,
        BIT(21), MASK(47, 40), ~0ULL};

    (void)state;
    for (u32 i = 0; i < COUNT(allowed); i++) {
        check_modifiers(&amd, allowed[i]);
        check_modifiers(&intel, allowed[i]);
    }
}

static void zeroed_filter_denies_everything(void **state)
{
    (void)state;
    memset(&filter, 0, sizeof(filter));
    for (u32 event = 0; event < 4096; event++)
        for (u32 umask = 0; umask < 256; umask++)
            assert_false(filter_allows(&filter, selector_of(event, umask)));
}

static void everything_can_be_allowed(void **state)
{
    static const struct filter_entry all[] = {{0, 0xfff, 0, 0, ANY_UMASK2, false}};

    (void)state;
    filter_build(&filter, &amd, 0, all, 1);
    assert_int_equal(compare_all(&amd, 0, all, 1, 0), 4096 * 256 / 8 * 7);
}

/* No number of different umasks is too many. */
static void each_event_has_umasks_of_its_own(void **state)
{
    struct filter_entry entries[256];

    (void)state;
    for (u32 i = 0; i < 256; i++)
        entries[i] = (struct filter_entry)ENTRY(i, i, 0xff, i, false);
    filter_build(&filter, &intel, 0, entries, 256);
    assert_int_equal(compare_all(&intel, 0, entries, 256, 0), 256);
}

/* One more than there is room for: the last is denied, even what is allowed with any. */
static void each_umask2_is_judged_by_itself(void **state)
{
    struct filter_entry entries[FILTER_NAMED_UMASK2 + 3] = {{0x41, 0x41, 0, 0, ANY_UMASK2, false},
                                                            {0x41, 0x41, 0, 0, 2 * 17, true}};

    (void)state;
    for (u8 i = 1; i <= FILTER_NAMED_UMASK2 + 1; i++)
        entries[i + 1] = (struct filter_entry){0x40, 0x40, 0xff, i, i * 17, false};
    filter_build(&filter, &intel_6, 0, entries, COUNT(entries));
    for (u64 umask2 = 0; umask2 < 256; umask2++)
        for (u64 umask = 0; umask < 256; umask++) {
            u64 umasks = umask2 << 40 | umask << 8;

            assert_int_equal(filter_allows(&filter, umasks | 0x40),
                             umask2 == umask * 17 && umask2 && umask2 != 255);
            assert_int_equal(filter_allows(&filter, umasks | 0x41),
                             umask2 != 2 * 17 && umask2 != 255);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_reference),
        cmocka_unit_test(order_makes_no_difference),
        cmocka_unit_test(nothing_is_left_of_what_was_there),
        cmocka_unit_test(random_tables_follow_the_reference),
        cmocka_unit_test(modifiers_are_refused_unless_allowed),
        cmocka_unit_test(zeroed_filter_denies_everything),
        cmocka_unit_test(everything_can_be_allowed),
        cmocka_unit_test(each_event_has_umasks_of_its_own),
        cmocka_unit_test(each_umask2_is_judged_by_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
