/* Which processors Cede takes: one that differs from the boot processor is refused by name, before
 * any is captured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "machine/mp.c"

#define CPUS 4 /* 1 is the boot processor, as processors need not be in order */

static struct mp_cpu cpus[CPUS];
static struct mp mp;
static u32 running; /* index of the processor that executes */
static enum preflight verdict[CPUS];
static u64 control[CPUS]; /* one trait of each */
static u64 started[CPUS]; /* what HV_START gives, ~0: it is not called */
static EFI_STATUS services_say;
static char said[1000];
static u32 refusals_said, warnings;

EFI_BOOT_SERVICES *BS;

static void note(const char *format, va_list args)
{
    size_t used = strlen(said);

    vsnprintf(said + used, sizeof said - used, format, args);
}

void refuse(const char *format, ...)
{
    va_list args;

    refusals_said++;
    va_start(args, format);
    note(format, args);
    va_end(args);
}

void warn(const char *format, ...)
{
    va_list args;

    warnings++;
    va_start(args, format);
    note(format, args);
    va_end(args);
}

void *pool_alloc(u64 size)
{
    (void)size;
    return NULL;
}

void pool_free(void *pool)
{
    (void)pool;
}

static u64 no_msr(u32 msr)
{
    (void)msr;
    return 0xfee00900;
}

const struct cpu_ops real_cpu = {.rdmsr = no_msr};

u32 cpuid_value(u32 leaf, u32 subleaf, enum cpuid_reg reg)
{
    (void)leaf;
    (void)subleaf;
    (void)reg;
    return 0;
}

u64 read_cr4(void)
{
    return 0;
}

bool has_shadow_stack(void)
{
    return false;
}

u32 own_apic_id(void)
{
    return cpus[running].apic_id;
}

enum preflight preflight(const struct cpu_ops *ops)
{
    (void)ops;
    return verdict[running];
}

const char *preflight_text(enum preflight code)
{
    return code == PREFLIGHT_NO_NX ? "no NX" : "?";
}

void preflight_traits(const struct cpu_ops *ops, struct preflight_traits *traits)
{
    (void)ops;
    *traits = (struct preflight_traits){.of = {[TRAIT_EXIT] = control[running]}};
}

enum preflight_trait preflight_differ(const struct preflight_traits *a,
                                      const struct preflight_traits *b)
{
    return a->of[TRAIT_EXIT] == b->of[TRAIT_EXIT] ? TRAITS : TRAIT_EXIT;
}

const char *preflight_trait_text(enum preflight_trait trait)
{
    return trait == TRAIT_EXIT ? "VM-exit controls" : "?";
}

u64 hv_call(u64 entry, u64 cr3, const struct boot_info *info, u64 operation, u64 index)
{
    (void)entry;
    (void)cr3;
    (void)info;
    assert_int_equal(operation, HV_START);
    assert_int_equal(index, running);
    return started[running];
}

static EFI_STATUS EFIAPI start_all(EFI_MP_SERVICES_PROTOCOL *self, EFI_AP_PROCEDURE procedure,
                                   BOOLEAN single, EFI_EVENT event, UINTN timeout, void *argument,
                                   UINTN **failed)
{
    (void)self;
    (void)single;
    (void)event;
    (void)timeout;
    (void)failed;
    for (u32 i = 0; i < CPUS; i++) {
        if (i == mp.bsp || !cpus[i].firmware || started[i] == ~0ULL)
            continue;
        running = i;
        procedure(argument);
    }
    running = mp.bsp;
    return services_say;
}

static EFI_MP_SERVICES_PROTOCOL services = {.StartupAllAPs = start_all};

static int set_up(void **state)
{
    (void)state;
    memset(cpus, 0, sizeof cpus);
    memset(said, 0, sizeof said);
    mp = (struct mp){.services = &services, .cpus = cpus, .count = CPUS, .bsp = 1, .aps = CPUS - 1};
    mp.unlisted = ~0U;
    running = mp.bsp;
    services_say = EFI_SUCCESS;
    refusals_said = warnings = 0;
    for (u32 i = 0; i < CPUS; i++) {
        cpus[i] = (struct mp_cpu){.apic_id = 2 * i, .firmware = true};
        verdict[i] = PREFLIGHT_OK;
        control[i] = 0x36dfb;
        started[i] = HV_OK;
    }
    return 0;
}

static void alike_they_are_taken(void **state)
{
    struct capture capture = {.mp = &mp};

    (void)state;
    assert_true(mp_check(&mp));
    assert_int_equal(mp_capture_aps(&capture), CPUS - 1);
    assert_int_equal(mp_capture_bsp(&capture), HV_OK);
    assert_int_equal(refusals_said + warnings, 0);
}

static void one_that_differs_is_refused(void **state)
{
    (void)state;
    control[2] = 0x36dff;
    assert_false(mp_check(&mp));
    assert_int_equal(refusals_said, 1);
    assert_non_null(strstr(said, "APIC ID 0x4"));
    assert_non_null(strstr(said, "VM-exit controls"));
    assert_non_null(strstr(said, "0x36dff, there 0x36dfb"));
    for (u32 i = 0; i < CPUS; i++)
        assert_false(cpus[i].started);
}

/* It is the one that is unlike the others, but the others are unlike it: each is named. */
static void the_boot_processor_is_what_counts(void **state)
{
    (void)state;
    control[1] = 1;
    assert_false(mp_check(&mp));
    assert_int_equal(refusals_said, CPUS - 1);
}

/* What is wrong with it comes first; with nothing to compare to, the boot processor alone is named.
 */
static void one_that_fails_is_refused_for_that(void **state)
{
    (void)state;
    verdict[3] = PREFLIGHT_NO_NX;
    control[3] = 1;
    assert_false(mp_check(&mp));
    assert_non_null(strstr(said, "APIC ID 0x6 cannot be captured: no NX"));
    set_up(NULL);
    verdict[1] = PREFLIGHT_NO_NX;
    assert_false(mp_check(&mp));
    assert_int_equal(refusals_said, 1);
    assert_non_null(strstr(said, "APIC ID 0x2 cannot be captured: no NX"));
}

/* What the firmware does not start is policed, whatever it is. */
static void what_firmware_keeps_is_not_compared(void **state)
{
    (void)state;
    cpus[2].firmware = false;
    control[2] = 1;
    assert_true(mp_check(&mp));
}

static void what_mp_services_say_of_the_capture_is_told(void **state)
{
    struct capture capture = {.mp = &mp};

    (void)state;
    assert_true(mp_check(&mp));
    services_say = EFI_TIMEOUT;
    started[0] = ~0ULL;
    started[3] = HV_REFUSED;
    assert_int_equal(mp_capture_aps(&capture), 1);
    assert_int_equal(warnings, 1);
    assert_false(cpus[0].started);
    assert_int_equal(cpus[3].status, HV_REFUSED);
}

static void a_busy_processor_is_a_refusal(void **state)
{
    (void)state;
    services_say = EFI_NOT_READY;
    assert_false(mp_check(&mp));
    assert_non_null(strstr(said, "busy"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(alike_they_are_taken, set_up),
        cmocka_unit_test_setup(one_that_differs_is_refused, set_up),
        cmocka_unit_test_setup(the_boot_processor_is_what_counts, set_up),
        cmocka_unit_test_setup(one_that_fails_is_refused_for_that, set_up),
        cmocka_unit_test_setup(what_firmware_keeps_is_not_compared, set_up),
        cmocka_unit_test_setup(what_mp_services_say_of_the_capture_is_told, set_up),
        cmocka_unit_test_setup(a_busy_processor_is_a_refusal, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
