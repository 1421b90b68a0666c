/* When writes to the ICR exit, and when they stop doing so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "guest/watch.c"

#define CORES 4 /* 0 is the boot processor */

struct hv hv;
struct lock hv_lock;
const struct vendor *vendor;

static struct guest guests[2];
static u32 stops, attended, permissions;
static bool stopped, guarded;
static void (*while_stopping)(void);

u32 kick_stop(struct cpu *self, const struct guest *guest)
{
    (void)self;
    assert_ptr_equal(guest, guests);
    assert_false(hv_lock.held);
    stops++;
    stopped = true;
    if (while_stopping)
        while_stopping();
    return CORES;
}

u32 kick_resume(struct cpu *self)
{
    (void)self;
    assert_false(hv_lock.held);
    stopped = false;
    return CORES;
}

void guest_attend(struct cpu *self)
{
    (void)self;
    assert_false(stopped);
    attended++;
}

void memory_guard_apic(bool guard)
{
    assert_true(stopped && hv_lock.held);
    guarded = guard;
}

static void write_permissions(const struct guest *guest)
{
    assert_true(stopped);
    assert_int_equal(guest->msr.police_icr, hv.watching);
    permissions++;
}

static const struct vendor fake_vendor = {.write_permissions = write_permissions};

static int set_up(void **state)
{
    (void)state;
    vendor = &fake_vendor;
    hv = (struct hv){.guests = guests, .watching = true, .icr_judged = ICR_JUDGE_STARTUP};
    hv.cpu_blocks = (u64)aligned_alloc(CPU_BLOCK_SIZE, CORES * CPU_BLOCK_SIZE);
    memset((void *)hv.cpu_blocks, 0, CORES * CPU_BLOCK_SIZE);
    hv.info = calloc(1, sizeof(*hv.info));
    hv.info->cpu_count = CORES;
    for (u32 i = 0; i < CORES; i++) {
        cpu_at(i)->index = i;
        cpu_at(i)->guest = guests;
        cpu_at(i)->state = CORE_RUNNING;
    }
    guests[0].msr.police_icr = guarded = true;
    stops = attended = permissions = 0;
    stopped = false;
    while_stopping = NULL;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free((void *)hv.cpu_blocks);
    free(hv.info);
    return 0;
}

static void start_all(void)
{
    hv.released = true;
    for (u32 i = 1; i < CORES; i++)
        cpu_at(i)->started = true;
    watch_follow();
}

static void it_lasts_till_all_have_been_started(void **state)
{
    (void)state;
    watch_other_write(cpu_at(0));
    start_all();
    cpu_at(2)->started = false;
    watch_follow();
    assert_int_equal(hv.icr_judged, ICR_JUDGE_STARTUP);
    watch_other_write(cpu_at(0));
    assert_true(hv.watching);
    assert_int_equal(stops, 0);
    cpu_at(2)->started = true;
    watch_follow();
    assert_int_equal(hv.icr_judged, ICR_JUDGE_ALL); /* so that the next one comes here */
    assert_true(hv.watching);
    watch_other_write(cpu_at(1));
    assert_false(hv.watching || guarded || guests[0].msr.police_icr);
    assert_int_equal(permissions, 1);
    assert_int_equal(attended, 1);
    watch_other_write(cpu_at(1));
    assert_int_equal(stops, 1);
}

static void while_firmware_has_the_machine_it_lasts(void **state)
{
    (void)state;
    start_all();
    hv.released = false;
    watch_follow();
    watch_other_write(cpu_at(0));
    assert_true(hv.watching);
}

static void who_will_never_be_started_is_not_waited_for(void **state)
{
    (void)state;
    start_all();
    cpu_at(1)->started = cpu_at(2)->started = cpu_at(3)->started = false;
    cpu_at(1)->kept = true;
    cpu_at(2)->state = CORE_STOPPED;
    cpu_at(3)->guest = &guests[1];
    watch_follow();
    watch_other_write(cpu_at(0));
    assert_false(hv.watching);
}

static void will_never_start(u32 reason)
{
    struct cpu *cpu = cpu_at(1);

    cpu->kept = reason == 1;
    cpu->state = reason == 2 ? CORE_STOPPED : CORE_RUNNING;
    cpu->guest = &guests[reason == 3];
    hv.info->bsp = reason == 4 ? 1 : 3;
    cpu->started = reason == 5;
    watch_follow();
}

static void each_reason_is_enough(void **state)
{
    (void)state;
    start_all();
    cpu_at(0)->started = true;
    for (u32 reason = 0; reason <= 5; reason++) {
        will_never_start(reason);
        assert_int_equal(hv.icr_judged, reason ? ICR_JUDGE_ALL : ICR_JUDGE_STARTUP);
    }
}

static void any_core_but_the_boot_processor_is_waited_for(void **state)
{
    (void)state;
    start_all();
    hv.info->bsp = 2;
    cpu_at(2)->started = false;
    watch_follow(); /* core 0 is an ordinary one now */
    assert_int_equal(hv.icr_judged, ICR_JUDGE_STARTUP);
    cpu_at(0)->started = true;
    watch_follow();
    assert_int_equal(hv.icr_judged, ICR_JUDGE_ALL);
    cpu_at(CORES - 1)->started = false;
    watch_follow();
    assert_int_equal(hv.icr_judged, ICR_JUDGE_STARTUP);
}

static void another_core_ends_it(void)
{
    hv.watching = false;
}

static void it_ends_once(void **state)
{
    (void)state;
    start_all();
    while_stopping = another_core_ends_it;
    watch_other_write(cpu_at(0));
    assert_int_equal(permissions, 0);
    assert_int_equal(attended, 1);
}

static void an_init_is_noted(void)
{
    cpu_at(3)->started = false;
}

static void an_init_in_the_last_moment_keeps_it(void **state)
{
    (void)state;
    start_all();
    while_stopping = an_init_is_noted;
    watch_other_write(cpu_at(0));
    assert_true(hv.watching && guarded);
    assert_int_equal(permissions, 0);
}

static void it_begins_again(void **state)
{
    (void)state;
    start_all();
    watch_other_write(cpu_at(0));
    cpu_at(1)->started = false;
    hv_lock.held = stopped = true;
    watch_begin();
    assert_true(hv.watching && guarded && guests[0].msr.police_icr);
    assert_int_equal(hv.icr_judged, ICR_JUDGE_STARTUP);
    watch_begin();
    assert_int_equal(permissions, 2); /* not written again */
    hv_lock.held = 0;
}

/* AMD, and machines of several guests: what is judged is none of this file's. */
static void where_icrs_always_exit_nothing_changes(void **state)
{
    (void)state;
    hv.watching = false;
    hv.icr_judged = ICR_JUDGE_ALL;
    start_all();
    watch_other_write(cpu_at(0));
    assert_int_equal(hv.icr_judged, ICR_JUDGE_ALL);
    assert_int_equal(stops, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(it_lasts_till_all_have_been_started),
        TEST(while_firmware_has_the_machine_it_lasts),
        TEST(who_will_never_be_started_is_not_waited_for),
        TEST(an_init_in_the_last_moment_keeps_it),
        TEST(it_begins_again),
        TEST(where_icrs_always_exit_nothing_changes),
        TEST(each_reason_is_enough),
        TEST(any_core_but_the_boot_processor_is_waited_for),
        TEST(it_ends_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
