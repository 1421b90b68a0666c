/* cede-policy over everything that libpfm4 knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "compile.h"
#include "cover.h"
#include "explain.h"
#include "names.h"

enum { TEXT = 512 };

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

/* --- umasks ---------------------------------------------------------------------------------- */

static u32 next_random(u32 *random)
{
    *random = *random * 1664525 + 1013904223;
    return *random >> 12;
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
    };

    return cmocka_run_group_tests(tests, find_processors, forget_processors);
}
