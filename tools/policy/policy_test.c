/* cede-policy over everything that libpfm4 knows, and KVM's filters against KVM's rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "compile.h"
#include "cover.h"
#include "explain.h"
#include "kvm.h"
#include "names.h"

enum { TEXT = 512, SELECTS = 4096 };

static struct compiled compiled;

static int find_processors(void **state)
{
    static struct processors all;

    assert_true(processors_init());
    all = processors_all();
    *state = &all;
    return 0;
}

static int forget_processors(void **state)
{
    free(((struct processors *)*state)->list);
    return 0;
}

/* --- names to codes to names ----------------------------------------------------------------- */

struct round_trip {
    size_t names, with_register, fixed_only;
};

static bool never_allowed(const struct policy_cpu *cpu, u64 code)
{
    return cpu->format->event_high && (code & 0xe0) == 0xe0; /* AMD's northbridge */
}

/* The name alone, compiled for its processor; with AnyThread allowed where it needs that. */
static void compile_one(const struct processor *processor, const char *name,
                        const struct encoding *e)
{
    struct processors one = {(struct processor *)(uintptr_t)processor, 1};
    char text[TEXT];
    int size = snprintf(text, sizeof(text), "%sallow %s",
                        e->selector & EVTSEL_ANY ? "allow modifier any\n" : "", name);

    compile_text(&compiled, "test", text, (size_t)size, &one);
    if (compiled.errors)
        fail_msg("%s::%s does not compile", processor->name, name);
}

static void check_decision(const struct processor *processor, const char *name,
                           const struct encoding *e)
{
    struct policy_cpu cpu = processor_policy_cpu(processor->vendor, processor->family);
    const struct rule *by;
    bool allowed = explain_decide(&compiled, &cpu, e->selector, &by);

    if (allowed == (e->fixed_only || never_allowed(&cpu, e->selector)))
        fail_msg("%s::%s is %s", processor->name, name, allowed ? "allowed" : "denied");
    if (allowed && (!by || by->line != (e->selector & EVTSEL_ANY ? 2U : 1U)))
        fail_msg("%s::%s is allowed by no line", processor->name, name);
    if (e->fixed_only && policy_fixed(&compiled.policy) != e->fixed)
        fail_msg("%s::%s has fixed counters 0x%x", processor->name, name,
                 policy_fixed(&compiled.policy));
    if (e->has_aux && !policy_allows_aux(&compiled.policy, e->aux, e->value))
        fail_msg("%s::%s: value %llx is not allowed", processor->name, name,
                 (unsigned long long)e->value);
    /* Another umask of the event is not allowed by it. */
    if (allowed && explain_decide(&compiled, &cpu, e->selector ^ 0x4000, &by))
        fail_msg("%s::%s allows another umask", processor->name, name);
}

/* What --explain prints of the code has the name. */
static void check_explanation(const struct processor *processor, const char *name,
                              const struct encoding *e)
{
    struct processors one = {(struct processor *)(uintptr_t)processor, 1};
    struct question question = {e->selector, e->has_aux, e->value};
    char *text = NULL, title[TEXT];
    size_t size;
    FILE *to = open_memstream(&text, &size);

    explain(&compiled, &one, processor->vendor, processor->family, &question, to);
    fclose(to);
    snprintf(title, sizeof(title), "\n    %s (%s)\n", name, processor->name);
    if (!strstr(text, title))
        fail_msg("%s::%s is not in: %s", processor->name, name, text);
    free(text);
}

static void round_trip_name(void *context, const struct processor *processor, const char *name,
                            const struct encoding *e)
{
    struct round_trip *trip = context;

    compile_one(processor, name, e);
    check_decision(processor, name, e);
    check_explanation(processor, name, e);
    compiled_free(&compiled);
    trip->names++;
    trip->with_register += e->has_aux;
    trip->fixed_only += e->fixed_only;
}

static void every_name_makes_the_round_trip(void **state)
{
    const struct processors *all = *state;
    static struct round_trip trip;

    for (size_t i = 0; i < all->count; i++)
        name_each(&all->list[i], round_trip_name, &trip);
    print_message(
        "counted: %zu names on %zu processors compiled, decided and explained: %zu need a "
        "register, %zu are fixed counters'\n",
        trip.names, all->count, trip.with_register, trip.fixed_only);
    assert_true(trip.names > 13000);
}

/* --- the presets hold what they promise ------------------------------------------------------ */

static void check_core(void *context, const struct processor *processor, const char *name,
                       const struct encoding *e)
{
    const struct policy_cpu *cpu = context;
    const struct rule *by;
    bool allowed = explain_decide(&compiled, cpu, e->selector & 0xf0000ffffULL, &by);
    bool is_register_event = e->has_aux;

    if (allowed && is_register_event)
        fail_msg("core allows %s::%s, which needs a register", processor->name, name);
}

static void core_needs_no_registers(void **state)
{
    const struct processors *all = *state;
    struct processors none = {NULL, 0};

    for (size_t i = 0; i < all->count; i++) {
        struct policy_cpu cpu = processor_policy_cpu(all->list[i].vendor, all->list[i].family);

        compile_text(&compiled, "test", "allow core", 10, &none);
        name_each(&all->list[i], check_core, &cpu);
        compiled_free(&compiled);
    }
}

/* Which register an event needs agrees with its select, on all processors. */
static void check_register(void *context, const struct processor *processor, const char *name,
                           const struct encoding *e)
{
    u32 select = e->selector & 0xff;
    enum policy_aux_register expected = select == 0xc6                     ? AUX_FRONTEND
                                        : select == 0xcd || select == 0x0b ? AUX_LDLAT
                                                                           : AUX_OFFCORE;

    (void)context;
    if (e->has_aux && e->aux != expected)
        fail_msg("%s::%s: register %d", processor->name, name, e->aux);
}

static void registers_are_told_apart(void **state)
{
    const struct processors *all = *state;

    for (size_t i = 0; i < all->count; i++)
        name_each(&all->list[i], check_register, NULL);
}

/* --- compiling ------------------------------------------------------------------------------- */

static void compiles_to(const char *names, const char *source, const char *expected)
{
    struct processors processors;
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    assert_true(processors_named(names, &processors));
    compile_text(&compiled, "test", source, strlen(source), &processors);
    assert_int_equal(compiled.errors, 0);
    compiled_print(&compiled, to);
    fclose(to);
    assert_string_equal(text, expected);
    free(text);
    free(processors.list);
    compiled_free(&compiled);
}

static void compiles_names(void **state)
{
    (void)state;
    compiles_to("skx", "# kept\n  allow 0xc4/0x00\t# too\r\n\nallow inst_retired.any",
                "# kept\nallow 0xc4/0x00  # too\nallow 0xc0/0x00  # inst_retired.any (skx)\n"
                "allow fixed 0  # inst_retired.any (skx)\n");
    compiles_to("skx", "allow IDQ:MS_SWITCHES # x",
                "allow 0x79/0x30  # IDQ:MS_SWITCHES (skx)\n"
                "allow modifier edge cmask  # IDQ:MS_SWITCHES (skx)\n");
    compiles_to("skx,spr", "allow cache-misses\nallow idq.ms_switches",
                "allow 0x2e/0x41  # cache-misses (all)\n"
                "allow 0x79/0x30  # idq.ms_switches (skx)\n"
                "allow modifier edge cmask  # idq.ms_switches (skx)\n"
                "allow 0x79/0x20  # idq.ms_switches (spr)\n");
    compiles_to(
        "skx", "allow all\ndeny OFFCORE_RESPONSE_0:DMND_DATA_RD:L3_HIT\ndeny instructions",
        "allow all\ndeny offcore 0x3f803c0001  # OFFCORE_RESPONSE_0:DMND_DATA_RD:L3_HIT "
        "(skx)\ndeny 0xc0/0x00  # instructions (skx)\ndeny fixed 0  # instructions (skx)\n");
    compiles_to("zen2,zen3", "allow ls_dc_accesses\nallow ex_ret_cond\nallow cycles",
                "allow 0x40/0x00  # ls_dc_accesses (amd64_fam17h_zen2)\n"
                "allow 0xd1/0x00  # ex_ret_cond (all)\n"
                "allow 0x76/0x00  # cycles (all)\n");
}

/* --- KVM ------------------------------------------------------------------------------------- */

/* KVM's rule (arch/x86/kvm/pmu.c): an event is hit if an entry includes it and none excludes it. */
static bool kvm_allows(const struct kvm_filter *filter, u32 select, u32 umask)
{
    bool included = false, excluded = false;

    for (size_t i = 0; i < filter->count; i++) {
        const struct filter_entry *e = &filter->events[i];

        if (e->first == select && (umask & e->mask) == e->match)
            *(e->exclude ? &excluded : &included) = true;
    }
    return (included && !excluded) != filter->deny;
}

static u32 next_random(u32 *random)
{
    *random = *random * 1664525 + 1013904223;
    return *random >> 12;
}

/* As KVM_PMU_ENCODE_MASKED_ENTRY has it. */
static u64 masked_entry(u64 select, u64 mask, u64 match, u64 exclude)
{
    return (select & 0xff) | (select & 0xf00) << 24 | mask << 56 | match << 8 | exclude << 55;
}

static void random_filter(struct kvm_filter *out, u32 *random)
{
    char text[2048];
    int used = sprintf(text, "action %s\nflags 1\nfixed_counter_bitmap %u\n",
                       next_random(random) & 1 ? "deny" : "allow", next_random(random) & 0xf);

    for (u32 i = next_random(random) % 24; i > 0; i--) {
        u32 mask = next_random(random) & next_random(random) & 0xff;
        u32 match = next_random(random) & (next_random(random) % 9 ? mask : 0xff);
        u64 entry =
            masked_entry(next_random(random) % 12 * 17, mask, match, next_random(random) % 3 == 0);

        used += sprintf(text + used, "0x%llx # entry\n", (unsigned long long)entry);
    }
    assert_true(kvm_parse(out, "random", text, (size_t)used));
}

static u64 compare_decisions(const struct kvm_filter *filter, const struct pmu_policy *policy,
                             const struct policy_cpu *cpu)
{
    static struct filter built;
    u32 selects = cpu->format->event_high ? SELECTS : 256;

    policy_build(&built, policy, cpu);
    for (u32 select = 0; select < selects; select++)
        for (u32 umask = 0; umask < 256; umask++) {
            u64 code = (select & 0xff) | umask << 8 | (u64)(select >> 8) << 32;
            bool kvm = kvm_allows(filter, select, umask) && !never_allowed(cpu, code);

            if (filter_allows(&built, code) != kvm)
                fail_msg("%x/%x: KVM says %d", select, umask, kvm);
        }
    assert_int_equal((policy_fixed(policy) ^ filter->fixed) & 0xf, filter->deny ? 0xf : 0);
    return (u64)selects * 256;
}

/* Prints a filter in one of the two forms and reads it again. */
static struct kvm_filter reread(const struct kvm_filter *filter, bool raw)
{
    struct kvm_filter again;
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    (raw ? kvm_print_raw : kvm_print_json)(filter, to);
    fclose(to);
    assert_true(kvm_parse(&again, "test", text, size));
    free(text);
    assert_int_equal(again.deny, filter->deny);
    assert_int_equal(again.fixed, filter->fixed);
    assert_int_equal(again.count, filter->count);
    if (again.count)
        assert_memory_equal(again.events, filter->events, again.count * sizeof(*again.events));
    return again;
}

static void to_policy(const struct kvm_filter *filter)
{
    struct processors none = {NULL, 0};
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    kvm_to_policy(filter, to);
    fclose(to);
    compile_text(&compiled, "test", text, size, &none);
    free(text);
}

/* A filter that allows nothing at all is no policy: that is said, and checked no further. */
static bool allows_nothing(const struct kvm_filter *filter)
{
    for (size_t i = 0; i < filter->count; i++)
        if (!filter->events[i].exclude && !(filter->events[i].match & ~filter->events[i].mask))
            return false;
    return !filter->deny && !filter->fixed;
}

static void kvm_filters_decide_alike(void **state)
{
    struct policy_cpu cpus[] = {processor_policy_cpu(VENDOR_INTEL, 0),
                                processor_policy_cpu(VENDOR_AMD, 0x19)};
    u32 random = 11, rounds = 0, back = 0;
    u64 asked = 0;

    (void)state;
    for (u32 i = 0; i < 40; i++) {
        const struct policy_cpu *cpu = &cpus[i & 1];
        struct kvm_filter first, filter, translated;
        size_t entries;

        random_filter(&first, &random);
        filter = reread(&first, i & 2);
        kvm_free(&first);
        to_policy(&filter);
        if (!allows_nothing(&filter)) {
            assert_int_equal(compiled.errors, 0);
            asked += compare_decisions(&filter, &compiled.policy, cpu);
            rounds++;
            if (kvm_from_policy(&translated, &compiled.policy, cpu, &entries)) {
                asked += compare_decisions(&translated, &compiled.policy, cpu);
                back++;
                kvm_free(&translated);
            }
        }
        kvm_free(&filter);
        compiled_free(&compiled);
    }
    print_message("counted: %u KVM filters as policies, %u back: %llu decisions alike\n", rounds,
                  back, (unsigned long long)asked);
    assert_int_equal(back, rounds);
}

static void kvm_forms_are_read(void **state)
{
    static const char json[] =
        " {\"action\":\"deny\",\"x86-fixed-counter\":{\"bitmap\":\"0x5\"},\"events\":["
        "{\"format\":\"raw\",\"code\":\"0x10000c0c4\"},{\"format\":\"raw\",\"code\":65536},"
        "{\"format\":\"x86-default\",\"select\":\"0xc5\",\"umask\":1}]}";
    struct kvm_filter filter;

    (void)state;
    assert_true(kvm_parse(&filter, "test", json, sizeof(json) - 1));
    assert_true(filter.deny && filter.fixed == 5 && filter.count == 2);
    assert_int_equal(filter.events[0].first, 0x1c4);
    assert_int_equal(filter.events[0].match, 0xc0);
    assert_int_equal(filter.events[1].mask, 0xff);
    kvm_free(&filter);
}

static void refuses(const char *text)
{
    struct kvm_filter filter;

    assert_false(kvm_parse(&filter, "expected", text, strlen(text)));
    kvm_free(&filter);
}

static void kvm_mistakes_are_told(void **state)
{
    (void)state;
    refuses("{");
    refuses("{}");
    refuses("{\"action\":\"permit\"}");
    refuses("{\"action\":\"allow\",\"x86-fixed-counter\":4294967296}");
    refuses("{\"action\":\"allow\",\"events\":{}}");
    refuses("{\"action\":\"allow\",\"events\":[{}]}");
    refuses("{\"action\":\"allow\",\"events\":[{\"format\":\"raw\",\"code\":-1}]}");
    refuses("{\"action\":\"allow\",\"events\":[{\"format\":\"x86-select-umask\",\"select\":4096,"
            "\"umask\":0}]}");
    refuses("action maybe");
    refuses("flags 2");
    refuses("flags 1\n0x100ff");
    refuses("0x1g");
    refuses("0x10000000000000000");
}

static void cover_is_exact(void **state)
{
    u32 random = 5;

    (void)state;
    for (u32 i = 0; i < 60; i++) {
        struct umasks set, covered = {{false}};
        struct cube cubes[128];
        size_t count;

        for (u32 u = 0; u < 256; u++)
            set.in[u] = i < 2 ? i : i == 2 ? __builtin_parity(u) : next_random(&random) % i < 3;
        count = cover(&set, cubes);
        assert_true(count <= 128 && (i != 0 || count == 0) && (i != 1 || count == 1));
        for (size_t c = 0; c < count; c++)
            for (u32 u = 0; u < 256; u++)
                covered.in[u] |= (u & cubes[c].mask) == cubes[c].match;
        assert_memory_equal(&set, &covered, sizeof(set));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_makes_the_round_trip),
        cmocka_unit_test(core_needs_no_registers),
        cmocka_unit_test(registers_are_told_apart),
        cmocka_unit_test(compiles_names),
        cmocka_unit_test(cover_is_exact),
        cmocka_unit_test(kvm_filters_decide_alike),
        cmocka_unit_test(kvm_forms_are_read),
        cmocka_unit_test(kvm_mistakes_are_told),
    };

    return cmocka_run_group_tests(tests, find_processors, forget_processors);
}
