/* INIT and SIPI policing: which core is sent what, and in which state it is afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "fake/fake_console.h"

#include "base/lock.h"

static void meanwhile(void);
static void lock_after_others(struct lock *which);
static void unlock_own(struct lock *which);
#define pause       meanwhile
#define lock(which) lock_after_others(which)
#define unlock      unlock_own
#include "apic/icr.c"
#include "guest/startup.c"
#undef unlock
#undef lock
#undef pause

#define CORES 4
#define INIT  (ICR_MODE_INIT << 8 | (u32)ICR_ASSERT)
#define SIPI  (ICR_MODE_SIPI << 8 | (u32)ICR_ASSERT)

struct hv hv;
struct lock hv_lock, log_lock;
const struct vendor *vendor;

static bool r_init, kick_held;
static u32 stops, stopped, watches, follows, absorbed, resets, pauses; /* `stopped` as bits */
static u32 attends, breaths, claims, lines;
static void (*on_stop)(void), (*on_resume)(void), (*on_pause)(void), (*on_lock)(void);
static jmp_buf awaiting_reset;
static struct {
    u32 apic_id, low;
    bool locked;
} sent[8];
static u32 sent_count;
static const struct cpu *claimed;
static jmp_buf machine_reset;

/* What another core does in the last moment. */
static void lock_after_others(struct lock *which)
{
    if (on_lock)
        on_lock();
    assert_false(which->held);
    lock(which);
}

static void unlock_own(struct lock *which)
{
    assert_true(which->held);
    unlock(which);
}

void apic_send(u32 apic_id, u32 low)
{
    sent[sent_count].apic_id = apic_id;
    sent[sent_count].low = low;
    sent[sent_count++].locked =
        hv_lock.held && log_lock.held && kick_held && fake_console_held == 1;
}

void kick_hold(struct cpu *self)
{
    (void)self;
    assert_false(kick_held);
    kick_held = true;
}

void kick_release(void)
{
    assert_true(kick_held);
    kick_held = false;
}

u32 kick_stop(struct cpu *self, const struct guest *guest)
{
    assert_ptr_equal(self->guest, guest);
    assert_false(hv_lock.held);
    assert_false(kick_held);
    kick_held = true;
    stops++;
    if (on_stop)
        on_stop();
    return 0;
}

static u64 brought_out; /* as bits: none but these are woken */

void kick_stop_leaving(struct cpu *self)
{
    kick_stop(self, self->guest);
    brought_out = 0;
    for (u32 i = 0; i < CORES; i++)
        brought_out |= cpu_at(i)->leaving ? BIT(i) : 0;
}

u32 kick_resume(struct cpu *self)
{
    (void)self;
    assert_false(hv_lock.held);
    if (on_resume)
        on_resume();
    kick_held = false;
    return 0;
}

bool kick_has_stopped(const struct cpu *target)
{
    return stopped >> target->index & 1;
}

bool kick_attend(struct cpu *self)
{
    (void)self;
    assert_false(hv_lock.held || log_lock.held || kick_held || fake_console_held);
    attends++;
    return false;
}

void watch_begin(void)
{
    assert_true(hv_lock.held && kick_held);
    watches++;
}

void watch_follow(void)
{
    assert_true(hv_lock.held);
    follows++;
}

static void meanwhile(void)
{
    assert_false(hv_lock.held);
    if (++pauses > 2 * PAUSES_TO_ARRIVE)
        fail_msg("waits for ever");
    if (on_pause)
        on_pause();
}

static void absorb(struct cpu *cpu)
{
    (void)cpu;
    absorbed++;
}

static __attribute__((noreturn)) void await_reset(struct cpu *cpu)
{
    assert_false(hv_lock.held || log_lock.held || kick_held || fake_console_held);
    assert_false(cpu->captured);
    resets++;
    longjmp(awaiting_reset, 1);
}

void management_claim(struct cpu *cpu)
{
    claimed = cpu;
}

static const struct cpu *attended;

/* A core that Cede keeps is nobody else's. */
void guest_claim(struct cpu *cpu)
{
    assert_ptr_equal(claimed, cpu);
    claims++;
}

void guest_attend(struct cpu *cpu)
{
    assert_false(hv_lock.held || log_lock.held || kick_held || fake_console_held);
    attended = cpu;
}

void log_line(const char *format, ...)
{
    (void)format;
    lines++;
}

void platform_reset(void)
{
    longjmp(machine_reset, 1);
}

static bool init_exits(void)
{
    return r_init;
}

static void breathe(struct cpu *cpu)
{
    assert_ptr_equal(cpu, cpu_at(1));
    breaths++;
}

static const struct vendor breathing_vendor = {
    .init_exits = init_exits, .absorb_signal = absorb, .breathe = breathe};
static const struct vendor fake_vendor = {
    .init_exits = init_exits, .absorb_signal = absorb, .await_reset = await_reset};
static void *blocks;

static int set_up(void **state)
{
    (void)state;
    vendor = &fake_vendor;
    sent_count = 0;
    r_init = false;
    hv_lock.held = log_lock.held = 0;
    kick_held = false;
    fake_console_held = 0;
    stops = watches = follows = absorbed = resets = pauses = 0;
    stopped = 0xf;
    attends = breaths = claims = lines = 0;
    on_stop = on_resume = on_pause = on_lock = NULL;
    attended = NULL;
    hv.police_icr = true;
    hv.released = false;
    blocks = aligned_alloc(CPU_BLOCK_SIZE, CORES * CPU_BLOCK_SIZE);
    memset(blocks, 0, CORES * CPU_BLOCK_SIZE);
    hv.cpu_blocks = (u64)blocks;
    hv.info = calloc(1, sizeof(*hv.info) + CORES * sizeof(struct boot_cpu));
    hv.info->cpu_count = CORES;
    hv.info->trampoline = 0x8f000;
    for (u32 i = 0; i < CORES; i++) {
        cpu_at(i)->index = i;
        cpu_at(i)->apic_id = 2 * i;
        startup_note_captured(cpu_at(i));
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(blocks);
    free(hv.info);
    return 0;
}

static void init_resets_a_core_for_real(void **state)
{
    (void)state;
    startup_ipi(cpu_at(0), INIT, 4, true);
    assert_int_equal(sent_count, 1);
    assert_int_equal(sent[0].apic_id, 4);
    assert_int_equal(sent[0].low, 0x4500); /* APM 16.5 */
    assert_int_equal(cpu_at(2)->state, CORE_WAITING);
    assert_false(cpu_at(2)->captured || cpu_at(2)->init_sent);
    assert_int_equal(cpu_at(2)->sipi, 0);
    assert_ptr_equal(attended, cpu_at(0));
}

/* Without R_INIT the target is reset wherever it is: the sender must own every lock then. */
static void nobody_else_owns_a_lock_when_a_core_dies(void **state)
{
    (void)state;
    startup_ipi(cpu_at(0), INIT, 2, false);
    assert_true(sent[0].locked);
}

static void sipi_goes_to_our_trampoline_once(void **state)
{
    (void)state;
    startup_ipi(cpu_at(0), INIT, 2, false);
    startup_ipi(cpu_at(0), SIPI | 0x9a, 2, false);
    startup_ipi(cpu_at(0), SIPI | 0x9b, 2, false);
    assert_int_equal(sent_count, 2);
    assert_int_equal(sent[1].low, 0x468f);
    assert_int_equal(sent[1].apic_id, 2);
    assert_int_equal(cpu_at(1)->sipi, 0x19a);
    assert_int_equal(cpu_at(1)->state, CORE_RUNNING);
}

static void an_init_that_arrived_is_counted(void **state)
{
    (void)state;
    claimed = NULL;
    hv.info->bsp = 0;
    startup_init_arrived(cpu_at(1));
    assert_ptr_equal(claimed, cpu_at(1));
    assert_int_equal(claims, 1);
    assert_int_equal(cpu_at(1)->exits[EXIT_INIT], 1);
    assert_int_equal(lines, 0);
    if (!setjmp(machine_reset)) {
        startup_init_arrived(cpu_at(0));
        fail();
    }
    assert_int_equal(lines, 1); /* why the machine is reset */
}

static void a_sipi_may_overtake_its_init(void **state)
{
    (void)state;
    r_init = true;
    startup_ipi(cpu_at(0), INIT, 2, true);
    startup_ipi(cpu_at(0), SIPI | 0x9a, 2, true);
    startup_init_arrived(cpu_at(1));
    assert_int_equal(cpu_at(1)->sipi, 0x19a);
    assert_false(cpu_at(1)->init_sent);
    assert_int_equal(startup_await_sipi(cpu_at(1)), 0x9a);
    assert_int_equal(pauses + absorbed, 0);
}

static void sipi_without_init_is_dropped(void **state)
{
    (void)state;
    startup_ipi(cpu_at(0), SIPI | 0x9a, 2, false);
    assert_int_equal(sent_count, 0);
}

static void a_core_that_firmware_kept_comes_in_by_sipi(void **state)
{
    (void)state;
    cpu_at(3)->state = CORE_FIRMWARE;
    cpu_at(3)->captured = false;
    r_init = true; /* it is not under SVM yet, so R_INIT does not hold for it */
    startup_ipi(cpu_at(0), INIT, 6, true);
    assert_false(cpu_at(3)->init_sent);
    startup_ipi(cpu_at(0), SIPI | 0x10, 6, true);
    assert_int_equal(sent_count, 2);
    assert_int_equal(sent[1].low, 0x468f);
    assert_int_equal(cpu_at(3)->sipi, 0x110);
}

static void with_r_init_sipis_go_by_mail(void **state)
{
    (void)state;
    r_init = true;
    startup_ipi(cpu_at(0), INIT, 2, true);
    assert_true(cpu_at(1)->captured);
    startup_ipi(cpu_at(0), SIPI | 0x9a, 2, true);
    assert_int_equal(sent_count, 1);
    assert_int_equal(cpu_at(1)->sipi, 0x19a);
}

/* A SIPI may be mailed before the INIT that precedes it has made its target exit. */
static void an_init_by_mail_is_noted(void **state)
{
    (void)state;
    r_init = true;
    startup_ipi(cpu_at(0), INIT, 2, true);
    startup_ipi(cpu_at(0), SIPI | 0x9a, 2, true);
    assert_true(cpu_at(1)->init_sent);
    assert_int_equal(cpu_at(1)->sipi, 0x19a);
    startup_ipi(cpu_at(0), INIT, 2, true);
    assert_int_equal(cpu_at(1)->sipi, 0);
    assert_int_equal(cpu_at(1)->state, CORE_WAITING);
}

static void broadcast_init_reaches_every_other_core(void **state)
{
    (void)state;
    startup_ipi(cpu_at(0), INIT | SHORTHAND_OTHERS << 18, 0, false);
    assert_int_equal(sent_count, CORES - 1);
    startup_ipi(cpu_at(0), SIPI | SHORTHAND_OTHERS << 18 | 7, 0, false);
    assert_int_equal(sent_count, 2 * (CORES - 1));
    for (u32 i = 1; i < CORES; i++)
        assert_int_equal(cpu_at(i)->sipi, 0x107);
}

static void init_deassert_does_nothing(void **state)
{
    (void)state;
    startup_ipi(cpu_at(0), ICR_MODE_INIT << 8 | (u32)ICR_LEVEL | SHORTHAND_ALL << 18, 0, false);
    assert_int_equal(sent_count, 0);
}

/* Only that: what else is level-triggered, or edge-triggered without the level, is carried out. */
static void all_other_inits_and_sipis_do_something(void **state)
{
    (void)state;
    r_init = true;
    startup_ipi(cpu_at(0), INIT | (u32)ICR_LEVEL, 2, true);
    assert_int_equal(cpu_at(1)->state, CORE_WAITING);
    startup_ipi(cpu_at(0), ICR_MODE_INIT << 8, 4, true);
    assert_int_equal(cpu_at(2)->state, CORE_WAITING);
    startup_ipi(cpu_at(0), ICR_MODE_SIPI << 8 | (u32)ICR_LEVEL | 0x21, 2, true);
    assert_int_equal(cpu_at(1)->sipi, 0x121);
    startup_ipi(cpu_at(0), ICR_MODE_SIPI << 8 | 0x22, 4, true);
    assert_int_equal(cpu_at(2)->sipi, 0x122);
}

static void any_core_may_be_the_boot_processor(void **state)
{
    (void)state;
    hv.info->bsp = 2;
    startup_ipi(cpu_at(2), INIT, 0, true);
    assert_int_equal(cpu_at(0)->state, CORE_WAITING);
    assert_true(cpu_at(0)->leaving);
    assert_int_equal(stops, 1);
    cpu_at(2)->state = CORE_WAITING; /* SIPIs do nothing, whatever it does */
    startup_ipi(cpu_at(1), SIPI | 0x9a, 4, true);
    assert_int_equal(cpu_at(2)->sipi, 0);
    assert_int_equal(sent_count, 1);
    if (setjmp(machine_reset) == 0) {
        startup_ipi(cpu_at(1), INIT, 4, true);
        fail();
    }
}

/* Nor is one that Cede keeps its guest's any more. */
static void a_core_that_cede_keeps_is_out_of_reach(void **state)
{
    (void)state;
    cpu_at(2)->state = CORE_MANAGEMENT;
    startup_ipi(cpu_at(0), INIT, 4, true);
    startup_ipi(cpu_at(0), SIPI | 0x9a, 4, true);
    assert_int_equal(sent_count + stops, 0);
    assert_int_equal(cpu_at(2)->state, CORE_MANAGEMENT);
    startup_ipi(cpu_at(0), INIT | SHORTHAND_OTHERS << 18, 0, true);
    assert_int_equal(sent_count, 2);
    assert_int_equal(cpu_at(2)->state, CORE_MANAGEMENT);
    assert_true(cpu_at(2)->captured);
    assert_false(cpu_at(2)->leaving);
}

static void init_to_the_boot_processor_resets_the_machine(void **state)
{
    (void)state;
    if (setjmp(machine_reset) == 0) {
        startup_ipi(cpu_at(1), INIT, 0, true);
        fail();
    }
    assert_int_equal(sent_count, 0);
}

static void a_stopped_core_stays_stopped(void **state)
{
    (void)state;
    cpu_at(2)->state = CORE_STOPPED;
    startup_ipi(cpu_at(0), INIT, 4, true);
    startup_ipi(cpu_at(0), SIPI | 1, 4, true);
    assert_int_equal(sent_count, 0);
    assert_int_equal(cpu_at(2)->state, CORE_STOPPED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* Of another guest no core is started or stopped, however it is addressed. */
static void others_cores_are_out_of_reach(void **state)
{
    (void)state;
    cpu_at(2)->guest = cpu_at(3)->guest = (struct guest *)1;
    startup_ipi(cpu_at(0), INIT, 4, true);
    startup_ipi(cpu_at(0), INIT | (u32)ICR_LOGICAL, 0x50, true);
    startup_ipi(cpu_at(0), SIPI, 6, true);
    assert_int_equal(sent_count, 0);
    startup_ipi(cpu_at(0), INIT | SHORTHAND_OTHERS << 18, 0, true);
    assert_int_equal(sent_count, 1);
    assert_int_equal(sent[0].apic_id, 2);
    assert_int_equal(cpu_at(2)->state, CORE_RUNNING);
    startup_ipi(cpu_at(2), INIT | SHORTHAND_OTHERS << 18, 0, true);
    assert_int_equal(sent_count, 2);
    assert_int_equal(sent[1].apic_id, 6);
    assert_ptr_equal(attended, cpu_at(2));
}

/* --- where an INIT was not seen being sent ------------------------------------------------------
 */

static int set_up_unwatched(void **state)
{
    set_up(state);
    r_init = true;
    hv.police_icr = false;
    for (u32 i = 0; i < CORES; i++)
        cpu_at(i)->apic_base = APIC_BASE_EXTD;
    return 0;
}

static void wrote(u32 core, u32 low, u32 destination)
{
    cpu_at(core)->icr = (u64)destination << 32 | low;
}

static void a_sipi_that_came_too_early_is_found(void **state)
{
    (void)state;
    wrote(3, SIPI | 0x9c, 2);
    startup_init_arrived(cpu_at(1));
    assert_int_equal(stops, 1);
    assert_int_equal(watches, 1);
    assert_int_equal(sent_count, 0);
    assert_int_equal(startup_await_sipi(cpu_at(1)), 0x9c);
    assert_int_equal(cpu_at(1)->state, CORE_RUNNING);
    assert_int_equal(absorbed, 1); /* an INIT that was sent twice */
    assert_int_equal(cpu_at(2)->sipi, 0);
    assert_false(kick_held);
}

static void one_that_is_to_come_is_waited_for(void **state)
{
    (void)state;
    wrote(0, INIT, 2);
    wrote(2, SIPI | 0x44, 6); /* to another core, long ago */
    wrote(3, 0x40e0, 2);
    startup_init_arrived(cpu_at(1));
    assert_int_equal(watches, 1);
    assert_int_equal(cpu_at(1)->state, CORE_WAITING);
    assert_int_equal(cpu_at(1)->sipi, 0);
    assert_false(cpu_at(1)->init_sent);
    assert_int_equal(cpu_at(3)->state, CORE_RUNNING);
    assert_int_equal(cpu_at(3)->sipi, 0);
    startup_ipi(cpu_at(0), SIPI | 0x12, 2, true);
    assert_int_equal(cpu_at(1)->sipi, 0x112);
}

/* Others got it as well, whatever became of theirs: but for the sender and the boot processor. */
static void a_broadcast_is_everybodys(void **state)
{
    (void)state;
    wrote(2, INIT | SHORTHAND_OTHERS << 18, 0);
    startup_init_arrived(cpu_at(1));
    assert_int_equal(cpu_at(0)->state, CORE_RUNNING);
    assert_int_equal(cpu_at(2)->state, CORE_RUNNING);
    assert_int_equal(cpu_at(3)->state, CORE_WAITING);
    assert_true(cpu_at(3)->init_sent);
    wrote(0, SIPI | SHORTHAND_OTHERS << 18 | 0x33, 0);
    wrote(2, 0, 0);
    startup_init_arrived(cpu_at(3)); /* noted: nobody is stopped again */
    assert_int_equal(stops, 1);
    startup_init_arrived(cpu_at(1));
    for (u32 i = 1; i < CORES; i++)
        assert_int_equal(cpu_at(i)->sipi, 0x133);
    assert_int_equal(cpu_at(0)->sipi, 0);
}

static void noted_by_another_core(void)
{
    cpu_at(1)->init_sent = true;
    cpu_at(1)->sipi = 0x155;
    cpu_at(1)->state = CORE_RUNNING;
}

/* What that one has read is not believed a second time. */
static void who_looks_second_finds_it_noted(void **state)
{
    (void)state;
    on_stop = noted_by_another_core;
    wrote(0, SIPI | SHORTHAND_OTHERS << 18 | 0x33, 0);
    startup_init_arrived(cpu_at(1));
    assert_int_equal(cpu_at(1)->sipi, 0x155);
    assert_int_equal(cpu_at(2)->state, CORE_RUNNING);
    assert_int_equal(cpu_at(2)->sipi, 0);
    assert_false(cpu_at(1)->init_sent);
}

static void the_first_sipi_is_taken(void **state)
{
    (void)state;
    wrote(0, SIPI | 0x11, 2);
    wrote(2, SIPI | 0x22, 2);
    wrote(3, INIT, 2);
    startup_init_arrived(cpu_at(1));
    assert_int_equal(cpu_at(1)->sipi, 0x111);
    assert_int_equal(cpu_at(1)->state, CORE_RUNNING);
}

/* What they do is up to none of these. */
static void boot_and_stopped_cores_are_left_out_of_a_broadcast(void **state)
{
    (void)state;
    hv.info->bsp = 3;
    cpu_at(2)->state = CORE_STOPPED;
    wrote(0, SIPI | SHORTHAND_OTHERS << 18 | 0x33, 0);
    startup_init_arrived(cpu_at(1));
    assert_int_equal(cpu_at(1)->sipi, 0x133);
    assert_int_equal(cpu_at(2)->state, CORE_STOPPED);
    assert_int_equal(cpu_at(2)->sipi, 0);
    assert_false(cpu_at(2)->init_sent);
    assert_int_equal(cpu_at(3)->state, CORE_RUNNING);
    assert_int_equal(cpu_at(3)->sipi, 0);
    assert_false(cpu_at(3)->init_sent);
}

static void any_core_may_have_got_a_broadcast(void **state)
{
    (void)state;
    hv.info->bsp = 3;
    wrote(2, SIPI | SHORTHAND_OTHERS << 18 | 0x33, 0);
    startup_init_arrived(cpu_at(1));
    assert_int_equal(cpu_at(0)->sipi, 0x133);
    assert_int_equal(cpu_at(1)->sipi, 0x133);
    assert_int_equal(cpu_at(2)->sipi + cpu_at(3)->sipi, 0);
}

/* They have got an INIT since they were started: a SIPI to all starts those that wait. */
static void only_who_waits_is_started_by_a_broadcast(void **state)
{
    (void)state;
    cpu_at(2)->init_sent = cpu_at(3)->init_sent = true;
    cpu_at(2)->state = CORE_RUNNING;
    cpu_at(2)->sipi = 0x177;
    cpu_at(3)->state = CORE_WAITING;
    wrote(0, SIPI | SHORTHAND_OTHERS << 18 | 0x33, 0);
    startup_init_arrived(cpu_at(1));
    assert_int_equal(cpu_at(2)->sipi, 0x177);
    assert_int_equal(cpu_at(3)->sipi, 0x133);
}

static void what_a_core_has_not_told_is_not_believed(void **state)
{
    (void)state;
    wrote(0, SIPI | 0x33, 2);
    stopped = 0xf & ~1U;
    startup_init_arrived(cpu_at(1));
    assert_int_equal(cpu_at(1)->sipi, 0);
    assert_int_equal(cpu_at(1)->state, CORE_WAITING);
}

/* FFH addresses all in xAPIC mode only. */
static void destinations_are_the_senders_modes(void **state)
{
    (void)state;
    wrote(0, SIPI | 0x33, 0xff);
    startup_init_arrived(cpu_at(1));
    assert_int_equal(cpu_at(1)->sipi, 0);
    cpu_at(0)->apic_base = 0;
    startup_init_arrived(cpu_at(1));
    assert_int_equal(cpu_at(1)->sipi, 0x133);
}

static void others_guests_cores_are_not_believed(void **state)
{
    (void)state;
    wrote(3, SIPI | SHORTHAND_OTHERS << 18 | 0x33, 0);
    cpu_at(3)->guest = (struct guest *)1;
    startup_init_arrived(cpu_at(1));
    assert_int_equal(cpu_at(1)->sipi, 0);
}

static void where_icrs_are_always_watched_nobody_is_asked(void **state)
{
    (void)state;
    hv.police_icr = true;
    wrote(0, SIPI | 0x33, 2);
    cpu_at(1)->sipi = 0x111;
    startup_init_arrived(cpu_at(1)); /* a device's */
    assert_int_equal(stops, 0);
    assert_int_equal(cpu_at(1)->sipi, 0);
    assert_int_equal(cpu_at(1)->state, CORE_WAITING);
}

/* --- waiting for mail ---------------------------------------------------------------------------
 */

static void sipi_comes(void)
{
    if (pauses == 3)
        startup_ipi(cpu_at(0), SIPI | 0x77, 2, true);
}

static void mail_is_waited_for(void **state)
{
    (void)state;
    startup_ipi(cpu_at(0), INIT, 2, true);
    startup_init_arrived(cpu_at(1));
    on_pause = sipi_comes;
    assert_int_equal(startup_await_sipi(cpu_at(1)), 0x77);
    assert_int_equal(pauses, 3);
    assert_int_equal(attends, 3); /* who wants to stop it need not wait */
    assert_int_equal(absorbed, 0);
    assert_int_equal(cpu_at(1)->sipi, 0);
}

static void taken_back(void)
{
    on_lock = NULL;
    note_init(cpu_at(1));
}

static void sipi_comes_again(void)
{
    if (pauses == 2)
        startup_ipi(cpu_at(0), SIPI | 0x78, 2, true);
}

/* By another INIT, after the box was seen to be full: the SIPI of that one counts. */
static void mail_may_be_taken_back(void **state)
{
    (void)state;
    startup_ipi(cpu_at(0), INIT, 2, true);
    startup_init_arrived(cpu_at(1));
    startup_ipi(cpu_at(0), SIPI | 0x77, 2, true);
    on_lock = taken_back;
    on_pause = sipi_comes_again;
    assert_int_equal(startup_await_sipi(cpu_at(1)), 0x78);
    assert_int_equal(absorbed, 1);
    assert_int_equal(pauses, 2 + PAUSES_TO_ARRIVE);
    assert_int_equal(cpu_at(1)->sipi, 0);
}

/* SMM waits for all. */
static void who_waits_breathes(void **state)
{
    (void)state;
    vendor = &breathing_vendor;
    startup_ipi(cpu_at(0), INIT, 2, true);
    startup_init_arrived(cpu_at(1));
    on_pause = sipi_comes;
    startup_await_sipi(cpu_at(1));
    assert_int_equal(breaths, 3);
}

/* Else it would exit right after the start, and stop the core for good. */
static void an_init_sent_again_is_absorbed(void **state)
{
    (void)state;
    startup_ipi(cpu_at(0), INIT, 2, true);
    startup_init_arrived(cpu_at(1));
    startup_ipi(cpu_at(0), INIT, 2, true);
    startup_ipi(cpu_at(0), SIPI | 0x77, 2, true);
    assert_int_equal(startup_await_sipi(cpu_at(1)), 0x77);
    assert_int_equal(pauses, PAUSES_TO_ARRIVE);
    assert_int_equal(absorbed, 1);
    assert_false(cpu_at(1)->init_sent);
}

static void only_its_os_starts_a_core_for_good(void **state)
{
    (void)state;
    r_init = true;
    startup_ipi(cpu_at(0), INIT, 2, true);
    startup_ipi(cpu_at(0), SIPI | 1, 2, true);
    assert_false(cpu_at(1)->started);
    hv.released = true;
    startup_ipi(cpu_at(0), INIT, 2, true);
    startup_ipi(cpu_at(0), SIPI | 1, 2, true);
    assert_true(cpu_at(1)->started);
    startup_ipi(cpu_at(0), INIT, 2, true);
    assert_false(cpu_at(1)->started);
    assert_int_equal(follows, 5);
}

/* --- where INITs do not exit ---------------------------------------------------------------------
 */

static void it_will_not_enter_again(void)
{
    assert_true(cpu_at(2)->leaving);
    assert_false(cpu_at(2)->captured); /* nobody waits for it to stop */
    assert_true(cpu_at(1)->captured);
    assert_int_equal(sent_count, 0);
}

/* In the hypervisor it holds nothing, with interrupts open to the INIT that follows. */
static void a_core_leaves_its_guest_before_it_is_reset(void **state)
{
    (void)state;
    on_resume = it_will_not_enter_again;
    startup_ipi(cpu_at(0), INIT, 4, true);
    assert_int_equal(stops, 1);
    assert_int_equal(brought_out, BIT(2));
    assert_true(cpu_at(2)->leaving);
    assert_false(cpu_at(1)->leaving || cpu_at(3)->leaving || cpu_at(0)->leaving);
    assert_int_equal(sent_count, 1);
    if (!setjmp(awaiting_reset)) {
        startup_leave(cpu_at(2));
        fail();
    }
    startup_leave(cpu_at(1));
    startup_note_captured(cpu_at(2)); /* through the trampoline */
    assert_false(cpu_at(2)->leaving);
    assert_true(cpu_at(2)->captured);
    assert_int_equal(cpu_at(2)->state, CORE_RUNNING);
    startup_ipi(cpu_at(0), SIPI, 4, true);
    assert_int_equal(stops, 1); /* not for a SIPI */
}

/* It runs its guest still, and who marked it waits for it. */
static void one_that_another_core_brings_out_is_left_to_that(void **state)
{
    (void)state;
    cpu_at(3)->leaving = true;
    stopped = BIT(2);
    startup_ipi(cpu_at(0), INIT, 4, true);
    assert_false(cpu_at(2)->captured);
    assert_true(cpu_at(3)->captured);
}

static void it_is_started_again(void)
{
    startup_note_captured(cpu_at(2));
}

/* By others, before this INIT could be sent: that one resets it all the same. */
static void a_core_that_came_back_meanwhile_is_out_again(void **state)
{
    (void)state;
    on_resume = it_is_started_again;
    startup_ipi(cpu_at(0), INIT, 4, true);
    assert_int_equal(sent_count, 1);
    assert_false(cpu_at(2)->captured);
    assert_int_equal(cpu_at(2)->state, CORE_WAITING);
}

/* While it waited to send one itself. */
static void a_sender_that_was_sent_an_init_leaves_too(void **state)
{
    (void)state;
    cpu_at(2)->leaving = true;
    if (!setjmp(awaiting_reset)) {
        startup_ipi(cpu_at(2), SIPI, 2, true);
        fail();
    }
    assert_int_equal(resets, 1);
    assert_false(fake_console_held);
}

static void a_core_that_resets_itself_holds_nothing(void **state)
{
    (void)state;
    if (!setjmp(awaiting_reset)) {
        startup_ipi(cpu_at(2), INIT, 4, true);
        fail();
    }
    assert_int_equal(sent_count, 1);
    assert_int_equal(sent[0].apic_id, 4);
    assert_int_equal(sent[0].low, 0x4500);
    assert_int_equal(stops, 0);
    assert_int_equal(cpu_at(2)->state, CORE_WAITING);
    assert_false(fake_console_held);
}

static void nothing_of_before_is_left_to_who_resets_itself(void **state)
{
    (void)state;
    cpu_at(2)->sipi = 0x1aa;
    cpu_at(2)->started = cpu_at(2)->init_sent = true;
    if (!setjmp(awaiting_reset)) {
        startup_init_self(cpu_at(2));
        fail();
    }
    assert_int_equal(cpu_at(2)->sipi, 0);
    assert_false(cpu_at(2)->started || cpu_at(2)->init_sent || cpu_at(2)->captured);
    assert_int_equal(cpu_at(2)->state, CORE_WAITING);
    assert_int_equal(sent[0].apic_id, 4);
    assert_int_equal(sent[0].low, 0x4500);
}

/* It exits right behind the instruction. */
static void with_r_init_a_core_sends_itself_one_as_to_others(void **state)
{
    (void)state;
    r_init = true;
    startup_ipi(cpu_at(2), INIT, 4, true);
    assert_int_equal(sent_count, 1);
    assert_int_equal(sent[0].apic_id, 4);
    assert_true(cpu_at(2)->captured && cpu_at(2)->init_sent);
    assert_int_equal(cpu_at(2)->state, CORE_WAITING);
    assert_int_equal(resets, 0);
    assert_ptr_equal(attended, cpu_at(2));
}

/* A guest may send many of them. */
static void an_init_that_reaches_nobody_stops_nobody(void **state)
{
    (void)state;
    cpu_at(2)->captured = false; /* waits already */
    startup_ipi(cpu_at(0), INIT, 4, true);
    startup_ipi(cpu_at(0), INIT, 0x40, true); /* none of this machine's */
    startup_ipi(cpu_at(0), (INIT | ICR_LEVEL) & ~(u32)ICR_ASSERT, 2, true);
    assert_int_equal(stops, 0);
    if (!setjmp(machine_reset)) {
        startup_ipi(cpu_at(1), INIT, 0, true); /* the boot processor */
        fail();
    }
    assert_int_equal(stops, 0);
}

static void with_r_init_nobody_is_brought_out(void **state)
{
    (void)state;
    r_init = true;
    startup_ipi(cpu_at(0), INIT, 4, true);
    assert_int_equal(stops, 0);
    assert_false(cpu_at(2)->leaving);
    assert_true(cpu_at(2)->captured);
}

int main(void)
{
#define UNWATCHED(name) cmocka_unit_test_setup_teardown(name, set_up_unwatched, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(init_resets_a_core_for_real),
        TEST(nobody_else_owns_a_lock_when_a_core_dies),
        TEST(sipi_goes_to_our_trampoline_once),
        TEST(an_init_that_arrived_is_counted),
        TEST(sipi_without_init_is_dropped),
        TEST(a_core_that_firmware_kept_comes_in_by_sipi),
        TEST(with_r_init_sipis_go_by_mail),
        TEST(an_init_by_mail_is_noted),
        TEST(broadcast_init_reaches_every_other_core),
        TEST(init_deassert_does_nothing),
        TEST(init_to_the_boot_processor_resets_the_machine),
        TEST(a_stopped_core_stays_stopped),
        TEST(others_cores_are_out_of_reach),
        UNWATCHED(a_sipi_that_came_too_early_is_found),
        UNWATCHED(one_that_is_to_come_is_waited_for),
        UNWATCHED(a_broadcast_is_everybodys),
        UNWATCHED(who_looks_second_finds_it_noted),
        UNWATCHED(what_a_core_has_not_told_is_not_believed),
        UNWATCHED(destinations_are_the_senders_modes),
        UNWATCHED(others_guests_cores_are_not_believed),
        UNWATCHED(where_icrs_are_always_watched_nobody_is_asked),
        UNWATCHED(mail_is_waited_for),
        UNWATCHED(an_init_sent_again_is_absorbed),
        TEST(only_its_os_starts_a_core_for_good),
        TEST(a_core_leaves_its_guest_before_it_is_reset),
        TEST(one_that_another_core_brings_out_is_left_to_that),
        TEST(a_sender_that_was_sent_an_init_leaves_too),
        TEST(a_core_that_resets_itself_holds_nothing),
        TEST(an_init_that_reaches_nobody_stops_nobody),
        TEST(with_r_init_nobody_is_brought_out),
        TEST(all_other_inits_and_sipis_do_something),
        TEST(any_core_may_be_the_boot_processor),
        TEST(a_core_that_cede_keeps_is_out_of_reach),
        TEST(nothing_of_before_is_left_to_who_resets_itself),
        TEST(with_r_init_a_core_sends_itself_one_as_to_others),
        UNWATCHED(the_first_sipi_is_taken),
        UNWATCHED(boot_and_stopped_cores_are_left_out_of_a_broadcast),
        UNWATCHED(only_who_waits_is_started_by_a_broadcast),
        UNWATCHED(mail_may_be_taken_back),
        UNWATCHED(who_waits_breathes),
        TEST(a_core_that_came_back_meanwhile_is_out_again),
        TEST(a_sipi_may_overtake_its_init),
        UNWATCHED(any_core_may_have_got_a_broadcast),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
