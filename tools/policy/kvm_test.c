/* A conversion never allows more than its source: KVM's filters, generated in every spelling that
 * is read, against KVM's own rule; and the same filters with one mistake each, which are all
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include "compile.h"
#include "kvm.h"

enum { FILTERS = 64, MISTAKES = 4000, TEXT = 1 << 16, SELECTORS = 20000 };

/* --- what KVM does (arch/x86/kvm/pmu.c) --------------------------------------------------------
 */

/* struct kvm_pmu_event_filter. */
struct source {
    bool deny, masked;
    u32 fixed;
    size_t count;
    u64 events[24];
};

struct kvm_vendor {
    u64 select;   /* selector bits that are event select */
    u64 reserved; /* WRMSR refuses them; those of TSX are not, for guests that have it */
};

/* Of AMD's, HostOnly and GuestOnly (41:40) are left out: in Cede, what a guest writes there does
 * not matter. */
static const struct kvm_vendor vendors[VENDORS] = {
    [VENDOR_INTEL] = {MASK(7, 0), MASK(63, 34) | BIT(21)},
    [VENDOR_AMD] = {MASK(7, 0) | MASK(35, 32), MASK(63, 42) | MASK(39, 36) | BIT(21) | BIT(19)},
};

static bool entry_matches(const struct source *source, u64 entry, u64 selector, u64 select)
{
    u64 mask = source->masked ? entry >> 56 : 0xff;

    if (!source->masked && (entry & ~(select | MASK(15, 8))))
        return false;
    return !((entry ^ selector) & select) && (selector >> 8 & mask) == (entry >> 8 & 0xff);
}

static bool kvm_allows(const struct source *source, const struct kvm_vendor *vendor, u64 selector)
{
    bool included = false, excluded = false;

    if (selector & vendor->reserved)
        return false;
    for (size_t i = 0; i < source->count; i++) {
        u64 entry = source->events[i];

        if (entry_matches(source, entry, selector, vendor->select))
            *(source->masked && (entry & BIT(55)) ? &excluded : &included) = true;
    }
    return (included && !excluded) != source->deny;
}

static bool kvm_allows_fixed(const struct source *source, u32 counter)
{
    return (source->fixed >> counter & 1) != source->deny;
}

/* KVM refuses a masked entry with bits that are none of the vendor's select. */
static bool kvm_takes(const struct source *source, const struct kvm_vendor *vendor)
{
    u64 known = vendor->select | MASK(15, 8) | MASK(63, 55);

    for (size_t i = 0; source->masked && i < source->count; i++)
        if (source->events[i] & ~known)
            return false;
    return true;
}

/* --- generated filters -------------------------------------------------------------------------
 */

static u64 state_of_random;

static u32 below(u32 limit)
{
    state_of_random = state_of_random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (u32)((state_of_random >> 33) % limit);
}

static bool one_in(u32 n)
{
    return !below(n);
}

static u64 any_bits(void)
{
    return (u64)below(1 << 16) << 48 | (u64)below(1 << 16) << 32 | (u64)below(1 << 16) << 16 |
           below(1 << 16);
}

/* Few selects, so that entries meet; high ones are AMD's alone. */
static u64 any_select(void)
{
    u64 select = below(12) * 17;

    return one_in(6) ? select | (u64)below(16) << 32 : select;
}

static u64 any_entry(bool masked)
{
    u64 mask = below(256) & below(256), umask = below(256);

    if (!masked)
        return any_select() | umask << 8 | (one_in(12) ? BIT(16 + below(48)) : 0);
    if (!one_in(9))
        umask &= mask;
    return any_select() | umask << 8 | mask << 56 | (one_in(3) ? BIT(55) : 0);
}

static struct source any_source(void)
{
    struct source source = {.deny = below(2), .masked = below(2), .fixed = below(1 << 20)};

    source.count = below(COUNT(source.events) + 1);
    for (size_t i = 0; i < source.count; i++)
        source.events[i] = any_entry(source.masked);
    return source;
}

/* --- and their spellings -----------------------------------------------------------------------
 */

static json_t *any_number(u64 value)
{
    char text[24];

    if (value < BIT(63) && one_in(2))
        return json_integer((json_int_t)value);
    sprintf(text,
            one_in(2)   ? "%llu"
            : one_in(2) ? "0x%llX"
                        : "0x%08llx",
            (unsigned long long)value);
    return json_string(text);
}

static u64 select_of(u64 entry)
{
    return (entry & 0xff) | (entry >> 24 & 0xf00);
}

static json_t *json_entry(const struct source *source, u64 entry)
{
    bool plain = !(entry & ~(MASK(35, 32) | MASK(15, 0)));

    if (source->masked)
        return json_pack("{s:s, s:o, s:o, s:o, s:b}", "format", "x86-masked-entry", "select",
                         any_number(select_of(entry)), "mask", any_number(entry >> 56), "match",
                         any_number(entry >> 8 & 0xff), "exclude", (int)(entry >> 55 & 1));
    if (!plain || one_in(2))
        return json_pack("{s:o, s:s}", "code", any_number(entry), "format", "raw");
    return json_pack("{s:s, s:o, s:o}", "format", "x86-select-umask", "select",
                     any_number(select_of(entry)), "umask", any_number(entry >> 8 & 0xff));
}

static json_t *json_source(const struct source *source)
{
    json_t *root = json_object(), *events = json_array();

    if (one_in(2))
        json_object_set_new(root, "qom-type", json_string("kvm-pmu-filter"));
    for (size_t i = 0; i < source->count; i++)
        json_array_append_new(events, json_entry(source, source->events[i]));
    json_object_set_new(root, "events", events);
    json_object_set_new(root, "action", json_string(source->deny ? "deny" : "allow"));
    if (source->fixed || one_in(2))
        json_object_set_new(root, "x86-fixed-counter",
                            one_in(5) ? json_pack("{s:o}", "bitmap", any_number(source->fixed))
                                      : any_number(source->fixed));
    if (one_in(2))
        json_object_set_new(root, "id", json_string("f0"));
    return root;
}

/* Lines of the other form: three fields in any order, then events. */
static size_t raw_lines(const struct source *source, char lines[64][80])
{
    size_t count = 3, turn = below(3);

    sprintf(lines[turn], "action %s", source->deny ? "deny" : "allow");
    sprintf(lines[(turn + 1) % 3], "flags\t%d # masked?", source->masked);
    sprintf(lines[(turn + 2) % 3],
            one_in(2) ? "fixed_counter_bitmap 0x%x" : "fixed_counter_bitmap  %u", source->fixed);
    for (size_t i = 0; i < source->count; i++)
        sprintf(lines[count++], one_in(2) ? " 0x%llx" : "%llu",
                (unsigned long long)source->events[i]);
    return count;
}

static size_t join(char *text, char lines[64][80], size_t count)
{
    const char *eol = one_in(2) ? "\n" : one_in(2) ? "\r\n" : "  # comment\n\n";
    size_t used = 0;

    for (size_t i = 0; i < count; i++)
        used += (size_t)sprintf(text + used, "%s%s", lines[i], eol);
    return used;
}

static size_t json_text(char *text, json_t *root)
{
    size_t used = json_dumpb(root, text, TEXT, one_in(2) ? JSON_INDENT(2) : JSON_COMPACT);

    assert_true(used < TEXT);
    json_decref(root);
    return used;
}

static size_t spell(char *text, const struct source *source)
{
    char lines[64][80];
    size_t mark = one_in(4) ? 3 : 0;

    memcpy(text, "\xef\xbb\xbf", mark);
    return mark + (one_in(2) ? json_text(text + mark, json_source(source))
                             : join(text + mark, lines, raw_lines(source, lines)));
}

/* --- what is read decides as KVM ---------------------------------------------------------------
 */

static struct compiled compiled;

/* -> whether it makes a policy: one that allows nothing is none */
static bool convert(const char *text, size_t size)
{
    struct processors none = {NULL, 0};
    struct kvm_filter filter;
    char *policy = NULL;
    size_t length;
    FILE *to = open_memstream(&policy, &length);

    assert_true(kvm_parse(&filter, "generated", text, size));
    kvm_to_policy(&filter, to);
    fclose(to);
    compile_text(&compiled, "converted", policy, length, &none);
    free(policy);
    kvm_free(&filter);
    return !compiled.errors;
}

static bool never_allowed(const struct policy_cpu *cpu, u64 selector)
{
    return cpu->format->event_high && (selector & 0xe0) == 0xe0; /* AMD's northbridge */
}

/* Every event by itself is decided alike; with other bits in its selector it is never more. */
static void decides_as(const struct source *source, enum vendor vendor)
{
    static struct filter filter;
    struct policy_cpu cpu = processor_policy_cpu(vendor, 0x19);

    policy_build(&filter, &compiled.policy, &cpu);
    for (u64 event = 0; event < (vendor == VENDOR_AMD ? BIT(20) : BIT(16)); event++) {
        u64 selector = (event & 0xffff) | event >> 16 << 32;
        bool kvm = kvm_allows(source, &vendors[vendor], selector) && !never_allowed(&cpu, selector);

        if (filter_allows(&filter, selector) != kvm)
            fail_msg("vendor %d, %llx: KVM says %d", vendor, (unsigned long long)selector, kvm);
    }
    for (u32 i = 0; i < SELECTORS; i++) {
        u64 selector = any_select() | below(256) << 8 | (any_bits() & any_bits() & MASK(63, 16));

        if (filter_allows(&filter, selector) && !kvm_allows(source, &vendors[vendor], selector))
            fail_msg("vendor %d, %llx: KVM denies it", vendor, (unsigned long long)selector);
    }
}

static void decides_registers_as(const struct source *source)
{
    for (u32 i = 0; i < POLICY_FIXED; i++)
        assert_int_equal(policy_fixed(&compiled.policy) >> i & 1, kvm_allows_fixed(source, i));
    for (enum policy_aux_register kind = 0; kind < AUX_REGISTERS; kind++)
        assert_false(policy_allows_aux(&compiled.policy, kind, BIT(below(64))));
}

/* Back to KVM, where that can be done at all, it is the same filter still. */
static bool comes_back_as(const struct source *source, enum vendor vendor)
{
    struct policy_cpu cpu = processor_policy_cpu(vendor, 0x19);
    struct kvm_filter back;
    char *text = NULL;
    size_t entries, size;
    FILE *to;

    if (!kvm_from_policy(&back, &compiled.policy, &cpu, &entries))
        return false;
    to = open_memstream(&text, &size);
    (one_in(2) ? kvm_print_raw : kvm_print_json)(&back, to);
    fclose(to);
    kvm_free(&back);
    compiled_free(&compiled);
    assert_true(convert(text, size));
    free(text);
    decides_as(source, vendor);
    return true;
}

static void filters_decide_alike(void **state)
{
    u32 policies = 0, back = 0;

    (void)state;
    state_of_random = 11;
    for (u32 i = 0; i < FILTERS; i++) {
        static char text[TEXT];
        struct source source = any_source();
        enum vendor vendor = i % 2 ? VENDOR_AMD : VENDOR_INTEL;

        if (!kvm_takes(&source, &vendors[vendor]))
            continue;
        if (convert(text, spell(text, &source))) {
            policies++;
            decides_as(&source, vendor);
            decides_registers_as(&source);
            back += comes_back_as(&source, vendor);
        } else {
            assert_false(policy_allows_something(&compiled.policy));
        }
        compiled_free(&compiled);
    }
    print_message("counted: %u generated KVM filters decide alike as policies, %u of them back in "
                  "KVM's form too\n",
                  policies, back);
    assert_true(policies > FILTERS / 2 && back == policies);
}

/* --- one mistake, and it is refused ------------------------------------------------------------
 */

/* What is said goes to `message`. */
static bool parses(const char *text, size_t size, char *message, size_t room)
{
    struct kvm_filter filter;
    FILE *saved = stderr;
    bool good;

    memset(message, 0, room);
    stderr = fmemopen(message, room, "w");
    good = kvm_parse(&filter, "wrong", text, size);
    fclose(stderr);
    stderr = saved;
    kvm_free(&filter);
    return good;
}

/* One line, which names the file and what is wrong in it. */
static void refuses(const char *text, size_t size, const char *name)
{
    char message[512];

    if (parses(text, size, message, sizeof(message)))
        fail_msg("'%s' went unnoticed: %.*s", name, (int)size, text);
    if (strchr(message, '\n') != strrchr(message, '\n') || !strstr(message, "wrong") ||
        !strstr(message, name))
        fail_msg("no line about '%s', but: %s", name, message);
}

/* A key of the object, by chance. */
static const char *any_key(json_t *object)
{
    size_t skip = below((u32)json_object_size(object));
    void *at = json_object_iter(object);

    while (skip--)
        at = json_object_iter_next(object, at);
    return json_object_iter_key(at);
}

/* The filter itself, or one of its events. */
static json_t *any_object(json_t *root)
{
    json_t *events = json_object_get(root, "events");

    return one_in(3) ? root : json_array_get(events, below((u32)json_array_size(events)));
}

/* Each of these is wrong for any key, whatever type it wants. */
static json_t *wrong_for_any(void)
{
    switch (below(5)) {
    case 0:
        return json_null();
    case 1:
        return json_real(1.0);
    case 2:
        return json_pack("[i]", 1);
    case 3:
        return json_pack("{s:i, s:i}", "bitmap", 1, "action", 1);
    default:
        return json_integer(-1);
    }
}

static json_t *wrong_for_number(void)
{
    static const char *const texts[] = {"",     " 1",  "1 ",      "-1",
                                        "+1",   "0x",  "010",     "1h",
                                        "0x1g", "one", "0x1 0x2", "18446744073709551616"};

    return one_in(4) ? json_boolean(below(2)) : json_string(texts[below(COUNT(texts))]);
}

static json_t *wrong_for_word(void)
{
    static const char *const texts[] = {"",
                                        "Allow",
                                        "allow ",
                                        "permit",
                                        "RAW",
                                        "x86_masked_entry",
                                        "x86-masked-entries",
                                        "kvm_pmu_filter"};

    return one_in(4) ? json_boolean(below(2)) : json_string(texts[below(COUNT(texts))]);
}

static json_t *wrong_for_bool(void)
{
    static const char *const texts[] = {"true", "false", "1", "yes", ""};

    return one_in(3) ? json_integer(below(2)) : json_string(texts[below(COUNT(texts))]);
}

static json_t *wrong_value(const char *key, const json_t *value)
{
    if (one_in(3))
        return wrong_for_any();
    if (!strcmp(key, "id") || !strcmp(key, "events"))
        return json_boolean(below(2));
    if (json_is_boolean(value))
        return wrong_for_bool();
    return !strcmp(key, "format") || !strcmp(key, "action") || !strcmp(key, "qom-type")
               ? wrong_for_word()
               : wrong_for_number();
}

/* Each mistake is made in the object and leaves what the message must name in `name`. */

static void mistake_value(json_t *object, char *name)
{
    strcpy(name, any_key(object));
    json_object_set_new(object, name, wrong_value(name, json_object_get(object, name)));
}

static void mistake_range(json_t *object, char *name)
{
    static const char *const small[] = {"mask", "match", "umask"};
    u64 past = BIT(12) << below(20);

    strcpy(name, any_key(object));
    for (size_t i = 0; i < COUNT(small); i++)
        if (!strcmp(name, small[i]))
            past = 256 + below(256);
    if (!strcmp(name, "code"))
        mistake_value(object, name);
    else
        json_object_set_new(
            object, name,
            json_integer((json_int_t)(strcmp(name, "x86-fixed-counter") ? past : past << 24)));
}

/* A key spelt otherwise: what it said is then not heard. */
static void mistake_spelling(json_t *object, char *name)
{
    const char *key = any_key(object);
    json_t *value = json_incref(json_object_get(object, key));

    strcpy(name, key);
    json_object_del(object, name);
    if (one_in(3))
        name[0] = (char)(name[0] - 'a' + 'A');
    else
        strcat(name, one_in(2) ? "s" : " ");
    json_object_set_new(object, name, value);
    if (strstr(name, "ormat"))
        strcpy(name, "format"); /* an event of no format is complained of first */
}

static void mistake_unknown(json_t *object, char *name)
{
    static const char *const names[] = {"comment", "code2", "flags", "nevents", "umask2", "pad"};

    strcpy(name, names[below(COUNT(names))]);
    json_object_set_new(object, name, one_in(2) ? json_true() : any_number(below(256)));
}

static void mistake_missing(json_t *object, char *name)
{
    bool event = json_object_get(object, "format");

    strcpy(name, event ? any_key(object) : "action");
    json_object_del(object, name);
}

static void mistake_action(json_t *object, char *name)
{
    strcpy(name, "action");
    json_object_set_new(object, name,
                        json_object_get(object, "format") ? json_string("allow")
                                                          : json_string("deny "));
}

static void refuses_one_mistake_in_json(void)
{
    static void (*const mistakes[])(json_t *, char *) = {mistake_value,    mistake_range,
                                                         mistake_spelling, mistake_unknown,
                                                         mistake_missing,  mistake_action};
    static char text[TEXT];
    struct source source = any_source();
    char name[64];
    json_t *root;

    source.count += !source.count;
    root = json_source(&source);
    mistakes[below(COUNT(mistakes))](any_object(root), name);
    refuses(text, json_text(text, root), name);
}

static void wrong_number(char *line)
{
    static const char *const endings[] = {"x", " 1", "-", ".0", "ffffffffffffffffff"};

    strcat(line, endings[below(COUNT(endings))]);
}

static size_t remove_line(char lines[64][80], size_t count, size_t at)
{
    memmove(lines[at], lines[at + 1], (count - at - 1) * sizeof(lines[0]));
    return count - 1;
}

/* Behind the fields, or behind all. */
static size_t repeat_line(char lines[64][80], size_t count, size_t at, size_t to)
{
    memmove(lines[to + 1], lines[to], (count - to) * sizeof(lines[0]));
    memcpy(lines[to], lines[at], sizeof(lines[0]));
    return count + 1;
}

/* One of the fields is left out, given twice, comes too late, or is spelt otherwise; or an event's
 * number is none. */
static void refuses_one_mistake_in_lines(void)
{
    static char text[TEXT];
    struct source source = any_source();
    char lines[64][80], name[80];
    size_t count, at = below(3);

    source.count += !source.count;
    count = raw_lines(&source, lines);
    sscanf(lines[at], "%79s", name);
    switch (below(5)) {
    case 0:
        count = remove_line(lines, count, at);
        break;
    case 1:
        count = repeat_line(lines, count, at, 3);
        break;
    case 2:
        count = remove_line(lines, repeat_line(lines, count, at, count), at);
        break;
    case 3:
        lines[at][0] = (char)(lines[at][0] - 'a' + 'A');
        name[0] = lines[at][0];
        break;
    default:
        at = 3 + below((u32)source.count);
        wrong_number(lines[at]);
        strcpy(name, lines[at] + strspn(lines[at], " "));
    }
    refuses(text, join(text, lines, count), name);
}

/* Cut off anywhere, a filter of either form has lost what denied something. (Of lines, the last
 * ones can be missing without a trace.) */
static void refuses_what_is_cut_off(void)
{
    static char text[TEXT];
    struct source source = any_source();
    json_t *root = json_source(&source);
    size_t size = json_text(text, root);

    refuses(text, 1 + below((u32)size - 1), "wrong");
}

static void refuses_binary(void)
{
    static char text[TEXT];
    struct source source = any_source();
    size_t size = spell(text, &source);

    text[below((u32)size)] = 0;
    refuses(text, size, "UTF-8");
}

static void one_mistake_is_refused(void **state)
{
    (void)state;
    state_of_random = 12;
    for (u32 i = 0; i < MISTAKES; i++) {
        refuses_one_mistake_in_json();
        refuses_one_mistake_in_lines();
    }
    for (u32 i = 0; i < MISTAKES / 10; i++) {
        refuses_what_is_cut_off();
        refuses_binary();
    }
    print_message("counted: %d KVM filters with one mistake each refused\n",
                  2 * MISTAKES + 2 * MISTAKES / 10);
}

static void refuses_text(const char *text, const char *name)
{
    refuses(text, strlen(text), name);
}

static void mistakes_are_told(void **state)
{
    (void)state;
    refuses_text("", "'action allow' or 'action deny' is missing");
    refuses_text("{", "wrong:1: ");
    refuses_text("[]", "a filter is an object");
    refuses_text("{}", "\"action\" is missing");
    refuses_text("{\"action\":\"allow\"} x", "wrong:1: end of file expected");
    refuses_text("{\"action\":\"allow\",\"action\":\"deny\"}", "wrong:1: duplicate");
    refuses_text("{\"action\":\"allow\",\"x86-fixed-counter\":{\"action\":\"allow\"}}",
                 "\"x86-fixed-counter\"");
    refuses_text("{\"action\":\"allow\",\"events\":[\"0xc0\"]}",
                 "events[0]: an event is an object");
    refuses_text("{\"action\":\"allow\",\"events\":[{\"format\":\"raw\",\"code\":1},"
                 "{\"format\":\"x86-masked-entry\",\"select\":1,\"mask\":0,\"match\":0,"
                 "\"exclude\":true}]}",
                 "events[1]: \"format\" x86-masked-entry and others");
    refuses_text("{\"action\":\"allow\",\"events\":[{\"format\":\"x86-masked-entry\",\"select\":1,"
                 "\"mask\":0,\"match\":0,\"exclude\":\"true\"}]}",
                 "events[0]: \"exclude\" is neither true nor false");
    refuses_text("action deny\nflags 1\nfixed_counter_bitmap 0\n0x100ff", "wrong:4: '0x100ff'");
    refuses_text("action deny\nflags 2", "wrong:2: 'flags 2'");
}

/* KVM takes 300 entries. */
static void long_lists_are_refused(void **state)
{
    char *text = calloc(1, 64 + 302 * 8);
    struct kvm_filter filter;

    (void)state;
    strcpy(text, "action deny\nflags 0\nfixed_counter_bitmap 0\n");
    for (u32 i = 0; i < KVM_EVENTS; i++)
        strcat(text, "0x1ffff\n"); /* which KVM ignores, but counts */
    assert_true(kvm_parse(&filter, "test", text, strlen(text)));
    kvm_free(&filter);
    strcat(text, "0xc0\n");
    refuses_text(text, "wrong:304: '0xc0'");
    free(text);
}

static int find_processors(void **state)
{
    (void)state;
    return processors_init() ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_decide_alike),
        cmocka_unit_test(one_mistake_is_refused),
        cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(long_lists_are_refused),
    };

    return cmocka_run_group_tests(tests, find_processors, NULL);
}
