/* What GIF=0 holds back is let in once, and reaches whom it was meant for. The core is a model of
 * the processor's: what is held, and whether NMIs are blocked (APM 15.17, 8.1.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "apic/apic.h"
#include "apic/icr.h"
#include "guest/kick.h"
#include "guest/startup.h"
#include "svm/svm.h"

static void execute(const char *instructions);
static void meanwhile(void);
#define __asm__
#define volatile(...) execute(#__VA_ARGS__)
#define pause meanwhile
#include "svm/init_signal.c"
#undef pause
#undef volatile
#undef __asm__

#define SX_VECTOR    30
#define NMI_TO_SELF  0x4400 /* APM 16.5: message type 4, asserted */
#define INIT_TO_SELF 0x4500
#define NMI_EVENT    0x80000202 /* APM 15.20: valid, type 2, vector 2 */
#define OWN_APIC_ID  0x31

struct svm svm;

/* The core: what is held, what has become of it. */
static struct {
    bool nmi_held, init_held, smi_held, nmi_blocked;
    bool second_nmi; /* KVM queues two */
    u32 smis, windows, irets, nmis_sent, inits_sent;
} core;

static u8 *block;
static struct cpu *cpu;
static struct vmcb *vmcb;
static bool kicked;
static u32 steps, arrived_at, apic_reset_at, noted_at, begun_at, reset_at, enters;
static u8 reset_vector;
static void (*while_waiting)(void);
static jmp_buf out;
enum { ENTERED = 1, SELF_RESET, SPINS };

static u32 held_back;

void svm_hold_nmi(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    held_back++;
}

static void let_held_in(void)
{
    core.windows++;
    core.smis += core.smi_held;
    core.smi_held = false;
    if (core.init_held)
        assert_true(svm_let_in(cpu, SX_VECTOR));
    core.init_held = false;
    if (core.nmi_held && !core.nmi_blocked) {
        assert_true(svm_let_in(cpu, NMI_VECTOR));
        core.nmi_held = core.second_nmi;
        core.second_nmi = false;
        core.nmi_blocked = true;
    }
}

static void execute(const char *instructions)
{
    if (strstr(instructions, "stgi"))
        let_held_in();
    if (strstr(instructions, "iretq")) {
        core.irets++;
        core.nmi_blocked = false;
    }
}

static void meanwhile(void)
{
    let_held_in();
    longjmp(out, SPINS);
}

void apic_send(u32 apic_id, u32 low)
{
    assert_int_equal(apic_id, OWN_APIC_ID);
    if (low == NMI_TO_SELF) {
        core.nmis_sent++;
        core.nmi_held = true;
    } else {
        assert_int_equal(low, INIT_TO_SELF);
        core.inits_sent++;
        core.init_held = true;
    }
}

void apic_reset(void)
{
    apic_reset_at = ++steps;
}

void apic_note(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    noted_at = ++steps;
}

bool kick_attend(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    return kicked;
}

void startup_init_arrived(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    arrived_at = ++steps;
}

u8 startup_await_sipi(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    if (while_waiting)
        while_waiting();
    return 0x9a;
}

void startup_init_self(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    longjmp(out, SELF_RESET);
}

void svm_reset_state(struct cpu *self, u8 vector)
{
    assert_ptr_equal(self, cpu);
    assert_false(core.nmi_blocked);
    reset_vector = vector;
    reset_at = ++steps;
}

void svm_begin_life(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    begun_at = ++steps;
}

void svm_enter(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    enters++;
    longjmp(out, ENTERED);
}

static int set_up(void **state)
{
    (void)state;
    memset(&core, 0, sizeof(core));
    held_back = 0;
    block = aligned_alloc(CPU_BLOCK_SIZE, CPU_BLOCK_SIZE);
    memset(block, 0, CPU_BLOCK_SIZE);
    cpu = (struct cpu *)(block + CPU_STACK_TOP);
    cpu->apic_id = OWN_APIC_ID;
    vmcb = cpu_vmcb(cpu);
    svm = (struct svm){.init_exits = true};
    kicked = false;
    steps = arrived_at = apic_reset_at = noted_at = begun_at = reset_at = enters = 0;
    reset_vector = 0;
    while_waiting = NULL;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(block);
    return 0;
}

/* Whatever window was opened is closed again, and takes nobody else's. */
static void expect_closed(void)
{
    assert_false(cpu->window_open);
    assert_false(svm_let_in(cpu, NMI_VECTOR));
    assert_false(svm_let_in(cpu, SX_VECTOR));
}

/* --- the handlers' question --------------------------------------------------------------------
 */

static void outside_of_a_window_nothing_is_let_in(void **state)
{
    (void)state;
    expect_closed();
    assert_false(cpu->window_nmi);
}

static void only_an_nmi_is_noted_as_one(void **state)
{
    (void)state;
    cpu->window_open = true;
    assert_true(svm_let_in(cpu, SX_VECTOR));
    assert_false(cpu->window_nmi);
    assert_true(svm_let_in(cpu, NMI_VECTOR));
    assert_true(cpu->window_nmi);
    assert_true(svm_let_in(cpu, SX_VECTOR)); /* does not take it back */
    assert_true(cpu->window_nmi);
}

/* --- exits with something held ------------------------------------------------------------------
 */

static void an_smi_runs_when_it_exits(void **state)
{
    (void)state;
    vmcb->exit_code = VMEXIT_SMI;
    core.smi_held = true;
    svm_smi_exit(cpu);
    assert_int_equal(core.smis, 1);
    assert_int_equal(vmcb->event_inj, 0);
    assert_int_equal(core.nmis_sent + core.inits_sent + core.irets, 0);
    expect_closed();
}

static void an_nmi_that_an_smi_brings_along_is_delivered_at_the_entry(void **state)
{
    (void)state;
    vmcb->exit_code = VMEXIT_SMI;
    core.smi_held = core.nmi_held = true;
    svm_smi_exit(cpu);
    assert_int_equal(vmcb->event_inj, NMI_EVENT);
    assert_int_equal(core.nmis_sent, 0);
    assert_int_equal(core.irets, 0); /* blocked, as the guest's handler must find it */
    assert_true(core.nmi_blocked);
}

/* Where signals are NMIs; kick_attend() unblocks them. */
static void unless_it_is_a_kick(void **state)
{
    (void)state;
    kicked = true;
    for (u32 exits = 0; exits < 2; exits++) {
        svm.init_exits = exits;
        core.nmi_held = core.smi_held = true;
        core.nmi_blocked = false;
        vmcb->event_inj = 0;
        vmcb->exit_code = VMEXIT_SMI;
        svm_smi_exit(cpu);
        assert_int_equal(vmcb->event_inj, exits ? NMI_EVENT : 0);
        assert_int_equal(cpu->exits[EXIT_KICK], 1);
    }
    assert_int_equal(core.smis, 2);
}

/* The guest's next IRET unblocks it. */
static void an_nmi_comes_after_an_event_that_is_to_be_delivered_first(void **state)
{
    (void)state;
    vmcb->exit_code = VMEXIT_SMI;
    vmcb->event_inj = 0x80000031;
    core.nmi_held = true;
    svm_smi_exit(cpu);
    assert_int_equal(vmcb->event_inj, 0x80000031);
    assert_int_equal(core.nmis_sent, 1);
    assert_true(core.nmi_held && core.nmi_blocked);
}

static void an_event_without_its_valid_bit_is_none(void **state)
{
    (void)state;
    vmcb->exit_code = VMEXIT_SMI;
    vmcb->event_inj = 0x00000b0e;
    core.nmi_held = true;
    svm_smi_exit(cpu);
    assert_int_equal(vmcb->event_inj, NMI_EVENT);
}

/* By the last window, not by one before. */
static void an_nmi_is_passed_on_once(void **state)
{
    (void)state;
    vmcb->exit_code = VMEXIT_SMI;
    core.nmi_held = true;
    svm_smi_exit(cpu);
    vmcb->event_inj = 0; /* delivered */
    core.nmi_blocked = false;
    svm_smi_exit(cpu);
    assert_int_equal(core.windows, 2);
    assert_int_equal(vmcb->event_inj, 0);
    assert_int_equal(core.nmis_sent, 0);
}

/* Of those that no instruction asked for, which has done nothing by itself at the next entry. */
static void which_exits_leave_the_entry_to_the_nmi(void **state)
{
    static const u64 codes[] = {VMEXIT_NMI,  VMEXIT_SMI,  VMEXIT_INIT,    VMEXIT_CPUID, VMEXIT_MSR,
                                VMEXIT_IOIO, VMEXIT_INVD, VMEXIT_VMMCALL, VMEXIT_NPF,   0x60};

    (void)state;
    for (u32 i = 0; i < COUNT(codes); i++) {
        bool between = i < 3;

        core.nmi_held = true;
        core.nmi_blocked = false;
        core.nmis_sent = 0;
        vmcb->event_inj = 0;
        vmcb->exit_code = codes[i];
        svm_absorb_signal(cpu);
        assert_int_equal(vmcb->event_inj, between ? NMI_EVENT : 0);
        assert_int_equal(core.nmis_sent, !between);
    }
}

/* --- NMI exits: where INITs do not --------------------------------------------------------------
 */

static void an_nmi_of_the_guests_is_counted_and_delivered(void **state)
{
    (void)state;
    svm.init_exits = false;
    vmcb->exit_code = VMEXIT_NMI;
    core.nmi_held = true; /* the exit leaves it pending (APM 15.13.2) */
    svm_nmi_exit(cpu);
    assert_int_equal(cpu->exits[EXIT_NMI], 1);
    assert_int_equal(cpu->exits[EXIT_KICK], 0);
    assert_int_equal(vmcb->event_inj, NMI_EVENT);
    assert_int_equal(core.windows, 1);
    assert_int_equal(held_back, 0);
    expect_closed();
}

/* KVM's. */
static void one_that_is_blocked_is_held_back(void **state)
{
    (void)state;
    vmcb->exit_code = VMEXIT_NMI;
    core.nmi_held = core.nmi_blocked = true;
    svm_nmi_exit(cpu);
    assert_int_equal(held_back, 1);
    assert_int_equal(vmcb->event_inj, 0);
    assert_true(svm_take_blocked_nmi(cpu));
    assert_true(core.nmi_blocked && !core.nmi_held); /* the guest's handler still runs */
    assert_false(svm_take_blocked_nmi(cpu));
}

static void an_nmi_exit_whose_nmi_has_gone_delivers_none(void **state)
{
    (void)state;
    vmcb->exit_code = VMEXIT_NMI;
    svm_nmi_exit(cpu);
    assert_int_equal(vmcb->event_inj, 0);
    assert_int_equal(core.nmis_sent, 0);
}

/* kick_attend() has absorbed it. */
static void an_nmi_that_is_a_kick_is_counted_as_one(void **state)
{
    (void)state;
    kicked = true;
    vmcb->exit_code = VMEXIT_NMI;
    svm_nmi_exit(cpu);
    assert_int_equal(cpu->exits[EXIT_KICK], 1);
    assert_int_equal(cpu->exits[EXIT_NMI], 0);
    assert_int_equal(core.windows, 0);
    assert_int_equal(vmcb->event_inj, 0);
}

/* --- signals ------------------------------------------------------------------------------------
 */

static void the_signal_is_what_exits(void **state)
{
    (void)state;
    assert_int_equal(svm_signal_icr(), INIT_TO_SELF);
    svm.init_exits = false;
    assert_int_equal(svm_signal_icr(), NMI_TO_SELF);
}

static void a_signal_is_absorbed_and_leaves_no_trace(void **state)
{
    (void)state;
    vmcb->exit_code = VMEXIT_INIT;
    core.init_held = true;
    svm_absorb_signal(cpu);
    assert_int_equal(core.windows, 1);
    assert_false(core.init_held);
    assert_int_equal(core.inits_sent + core.nmis_sent + core.irets, 0);
    assert_int_equal(vmcb->event_inj, 0);
    expect_closed();
}

static void an_nmi_that_was_the_signal_is_forgotten_with_its_blocking(void **state)
{
    (void)state;
    svm.init_exits = false;
    vmcb->exit_code = VMEXIT_NMI;
    core.nmi_held = true;
    svm_absorb_signal(cpu);
    assert_false(core.nmi_held || core.nmi_blocked);
    assert_int_equal(core.irets, 1);
    assert_int_equal(core.nmis_sent, 0);
    assert_int_equal(vmcb->event_inj, 0);
}

static void so_are_two_of_them(void **state)
{
    (void)state;
    svm.init_exits = false;
    vmcb->exit_code = VMEXIT_NMI;
    core.nmi_held = core.second_nmi = true;
    svm_absorb_signal(cpu);
    assert_false(core.nmi_held || core.nmi_blocked);
    assert_int_equal(vmcb->event_inj, 0);
}

/* KVM exits for it; else it would come as the guest's, when that no longer blocks NMIs. */
static void a_signal_that_the_guest_blocks_is_absorbed_too(void **state)
{
    (void)state;
    svm.init_exits = false;
    core.nmi_held = core.nmi_blocked = true;
    cpu->signalled = 1;
    svm_absorb_signal(cpu);
    assert_false(core.nmi_held);
    assert_true(core.nmi_blocked);
}

/* The guest may be in its NMI handler: then nothing came in, and its blocking is its own. */
static void blocking_that_is_the_guests_stays(void **state)
{
    (void)state;
    core.nmi_blocked = true;
    for (u32 exits = 0; exits < 2; exits++) {
        svm.init_exits = exits;
        svm_absorb_signal(cpu);
        svm_breathe(cpu);
        svm_let_smi_in(cpu);
    }
    assert_true(core.nmi_blocked);
    assert_int_equal(core.irets, 0);
}

static void an_nmi_beside_an_init_signal_is_the_guests(void **state)
{
    (void)state;
    vmcb->exit_code = VMEXIT_INIT;
    core.init_held = core.nmi_held = true;
    svm_absorb_signal(cpu);
    assert_int_equal(vmcb->event_inj, NMI_EVENT);
    assert_int_equal(core.irets, 0);
}

/* INITs do not queue: the window takes both as one, and the guest's is still to exit. */
static void an_init_of_the_guests_that_went_with_the_signal_comes_again(void **state)
{
    (void)state;
    cpu->init_sent = true;
    vmcb->exit_code = VMEXIT_CPUID;
    core.init_held = true;
    svm_absorb_signal(cpu);
    assert_int_equal(core.inits_sent, 1);
    assert_true(core.init_held); /* sent behind the window, not into it */
    assert_int_equal(vmcb->event_inj, 0);
    assert_true(cpu->init_sent);
}

static void an_init_whose_exit_is_this_one_does_not(void **state)
{
    (void)state;
    cpu->init_sent = true;
    vmcb->exit_code = VMEXIT_INIT;
    core.init_held = true;
    svm_absorb_signal(cpu);
    assert_int_equal(core.inits_sent, 0);
    assert_false(core.init_held);
}

static void an_init_that_nobody_sent_does_not_come(void **state)
{
    (void)state;
    vmcb->exit_code = VMEXIT_CPUID;
    svm_absorb_signal(cpu);
    assert_int_equal(core.inits_sent, 0);
}

/* There it would reset the core in the middle of the hypervisor. */
static void where_inits_do_not_exit_none_is_sent(void **state)
{
    (void)state;
    svm.init_exits = false;
    cpu->init_sent = true;
    vmcb->exit_code = VMEXIT_CPUID;
    svm_absorb_signal(cpu);
    assert_int_equal(core.inits_sent, 0);
}

static void both_may_have_gone_with_the_signal(void **state)
{
    (void)state;
    cpu->init_sent = true;
    vmcb->exit_code = VMEXIT_CPUID;
    core.init_held = core.nmi_held = true;
    svm_absorb_signal(cpu);
    assert_int_equal(core.inits_sent, 1);
    assert_int_equal(core.nmis_sent, 1);
    assert_true(core.init_held && core.nmi_held);
}

/* --- waiting ------------------------------------------------------------------------------------
 */

static void smis_run_while_others_are_waited_for(void **state)
{
    (void)state;
    vmcb->exit_code = VMEXIT_INIT;
    core.smi_held = core.nmi_held = true;
    svm_let_smi_in(cpu);
    assert_int_equal(core.smis, 1);
    assert_int_equal(vmcb->event_inj, NMI_EVENT);
    vmcb->event_inj = 0;
    svm_let_smi_in(cpu);
    assert_int_equal(vmcb->event_inj, 0);
    assert_int_equal(core.nmis_sent, 0);
    expect_closed();
}

static void but_not_where_an_nmi_could_be_the_signal(void **state)
{
    (void)state;
    svm.init_exits = false;
    core.smi_held = core.nmi_held = true;
    svm_let_smi_in(cpu);
    assert_int_equal(core.windows, 0);
    assert_true(core.smi_held && core.nmi_held);
}

/* Again and again: each must find the next one unblocked. */
static void who_has_no_guest_drops_nmis(void **state)
{
    (void)state;
    for (u32 i = 1; i <= 3; i++) {
        core.nmi_held = core.init_held = core.smi_held = true;
        svm_breathe(cpu);
        assert_false(core.nmi_held || core.init_held || core.nmi_blocked);
        assert_int_equal(core.smis, i);
    }
    assert_int_equal(vmcb->event_inj, 0);
    assert_int_equal(core.nmis_sent + core.inits_sent, 0);
    expect_closed();
}

static void who_awaits_its_reset_lets_all_in(void **state)
{
    (void)state;
    core.nmi_held = core.init_held = true;
    if (setjmp(out) != SPINS) {
        svm_await_reset(cpu);
        fail();
    }
    assert_int_equal(core.windows, 2); /* GIF is set, and stays so */
    assert_false(core.nmi_held || core.init_held);
}

/* --- INIT ---------------------------------------------------------------------------------------
 */

static void expect_waited_for_sipi(void)
{
    assert_int_equal(reset_vector, 0x9a);
    assert_true(arrived_at && arrived_at < apic_reset_at);
    assert_true(apic_reset_at < noted_at && noted_at < reset_at);
}

/* APM table 14-1: after INIT NMIs are not blocked, whatever the guest was doing. */
static void an_init_resets_the_core_and_unblocks_nmis(void **state)
{
    (void)state;
    core.nmi_blocked = true;
    svm_init_exit(cpu);
    expect_waited_for_sipi();
    assert_int_equal(core.irets, 1);
    assert_int_equal(cpu->exits[EXIT_KICK], 0);
}

static void an_init_that_is_a_kick_resets_nothing(void **state)
{
    (void)state;
    kicked = true;
    svm_init_exit(cpu);
    assert_int_equal(cpu->exits[EXIT_KICK], 1);
    assert_int_equal(steps, 0);
    assert_int_equal(core.irets, 0);
}

static void a_kick_and_the_guests_own_in_one_is_both(void **state)
{
    (void)state;
    kicked = cpu->init_sent = true;
    svm_init_exit(cpu);
    assert_int_equal(cpu->exits[EXIT_KICK], 1);
    expect_waited_for_sipi();
}

static void blocked_again(void)
{
    core.nmi_blocked = true; /* by a window, say */
    assert_true(cpu->captured);
    assert_int_equal(cpu->state, CORE_WAITING);
    assert_true(begun_at);
}

static void a_core_of_a_new_life_waits_for_its_sipi(void **state)
{
    (void)state;
    while_waiting = blocked_again;
    if (setjmp(out) != ENTERED) {
        svm_await_sipi(cpu);
        fail();
    }
    assert_int_equal(reset_vector, 0x9a);
    assert_true(begun_at < reset_at);
    assert_int_equal(enters, 1);
}

/* It comes back through the trampoline. */
static void where_inits_do_not_exit_it_resets_itself(void **state)
{
    (void)state;
    svm.init_exits = false;
    if (setjmp(out) != SELF_RESET) {
        svm_await_sipi(cpu);
        fail();
    }
    assert_false(cpu->captured);
    assert_int_equal(reset_at, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(outside_of_a_window_nothing_is_let_in),
        TEST(only_an_nmi_is_noted_as_one),
        TEST(an_smi_runs_when_it_exits),
        TEST(an_nmi_that_an_smi_brings_along_is_delivered_at_the_entry),
        TEST(unless_it_is_a_kick),
        TEST(an_nmi_comes_after_an_event_that_is_to_be_delivered_first),
        TEST(an_event_without_its_valid_bit_is_none),
        TEST(an_nmi_is_passed_on_once),
        TEST(which_exits_leave_the_entry_to_the_nmi),
        TEST(an_nmi_of_the_guests_is_counted_and_delivered),
        TEST(one_that_is_blocked_is_held_back),
        TEST(an_nmi_exit_whose_nmi_has_gone_delivers_none),
        TEST(an_nmi_that_is_a_kick_is_counted_as_one),
        TEST(the_signal_is_what_exits),
        TEST(a_signal_is_absorbed_and_leaves_no_trace),
        TEST(an_nmi_that_was_the_signal_is_forgotten_with_its_blocking),
        TEST(so_are_two_of_them),
        TEST(a_signal_that_the_guest_blocks_is_absorbed_too),
        TEST(blocking_that_is_the_guests_stays),
        TEST(an_nmi_beside_an_init_signal_is_the_guests),
        TEST(an_init_of_the_guests_that_went_with_the_signal_comes_again),
        TEST(an_init_whose_exit_is_this_one_does_not),
        TEST(an_init_that_nobody_sent_does_not_come),
        TEST(where_inits_do_not_exit_none_is_sent),
        TEST(both_may_have_gone_with_the_signal),
        TEST(smis_run_while_others_are_waited_for),
        TEST(but_not_where_an_nmi_could_be_the_signal),
        TEST(who_has_no_guest_drops_nmis),
        TEST(who_awaits_its_reset_lets_all_in),
        TEST(an_init_resets_the_core_and_unblocks_nmis),
        TEST(an_init_that_is_a_kick_resets_nothing),
        TEST(a_kick_and_the_guests_own_in_one_is_both),
        TEST(a_core_of_a_new_life_waits_for_its_sipi),
        TEST(where_inits_do_not_exit_it_resets_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
