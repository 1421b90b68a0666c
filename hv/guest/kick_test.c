/* Stopping all cores: the other cores are played by what happens while the asking core pauses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"

static void meanwhile(void);
#define pause              meanwhile
#define SIGNALS_TO_GIVE_UP 30
#include "guest/kick.c"
#undef pause

#define PAUSES_FOR_EVER 1000000

#define CORES     4
#define EVERYBODY (BIT(0) | BIT(1) | BIT(2) | BIT(3))

struct hv hv;
struct lock hv_lock, log_lock;
const struct vendor *vendor;

static u32 signals[CORES], absorbed[CORES], lines, updates;
static u32 answers;   /* cores that answer when they are signalled, as bits */
static u32 lose;      /* signals that get lost first */
static u32 in_answer; /* a core in the middle of kick_answer, + 1 */
static u32 pauses;
static void (*on_pause)(void);

static struct cpu *core(u32 index)
{
    return cpu_at(index);
}

/* A core takes its signal as soon as it may: here when somebody waits. */
static void meanwhile(void)
{
    if (++pauses > PAUSES_FOR_EVER)
        fail_msg("waits for ever");
    if (on_pause)
        on_pause();
    if (in_answer) { /* the answering core spins: the asking one would go on */
        kick.resumed = kick.round;
        return;
    }
    for (u32 i = 0; i < CORES; i++) {
        if (!signals[i] || !(answers & BIT(i)))
            continue;
        if (core(i)->letter) {
            core(i)->stopped_in = core(i)->letter;
            core(i)->letter = 0;
        } else if (kick.resumed == core(i)->stopped_in) {
            core(i)->done_in = core(i)->stopped_in;
        }
    }
}

void apic_send(u32 apic_id, u32 low)
{
    assert_int_equal(low, 0x4500);
    if (lose) {
        lose--;
        return;
    }
    signals[apic_id]++;
}

static u32 attended, notes, lingered, follows, leaves, states_noted;
static u64 named;

void apic_note(struct cpu *cpu)
{
    assert_int_not_equal(cpu->stopped_in, kick.round); /* before it is told */
    notes++;
}

void startup_leave(struct cpu *self)
{
    (void)self;
    leaves++;
}

static void let_smi_in(struct cpu *self)
{
    (void)self;
    assert_true(kick.lock.held); /* else it might lose an INIT of the guest's */
    lingered++;
}

static void flush_map(void)
{
    follows++;
}

/* Only the core itself can, and others may look as soon as it has answered. */
static void note_state(struct cpu *self)
{
    assert_int_equal(self->letter, 0);
    assert_int_not_equal(self->stopped_in, kick.round);
    states_noted++;
}

void guest_attend(struct cpu *self)
{
    (void)self;
    attended++;
}

void log_line(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    named = va_arg(arguments, u64);
    va_end(arguments);
    lines++;
}

/* Of what has changed: before it is said that the core is on its way. */
void pmu_update(struct cpu *cpu)
{
    assert_int_not_equal(cpu->done_in, cpu->stopped_in);
    updates++;
}

static u32 signal_icr(void)
{
    return 0x4500;
}

static void absorb(struct cpu *cpu)
{
    assert_int_equal(cpu->done_in, cpu->stopped_in);
    absorbed[cpu->index]++;
}

static const struct vendor fake_vendor = {.signal_icr = signal_icr,
                                          .absorb_signal = absorb,
                                          .let_smi_in = let_smi_in,
                                          .flush_map = flush_map,
                                          .note_state = note_state};

static int set_up(void **state)
{
    void *blocks = aligned_alloc(CPU_BLOCK_SIZE, CORES * CPU_BLOCK_SIZE);

    (void)state;
    vendor = &fake_vendor;
    memset(blocks, 0, CORES * CPU_BLOCK_SIZE);
    memset(signals, 0, sizeof(signals));
    memset(absorbed, 0, sizeof(absorbed));
    memset(&kick, 0, sizeof(kick));
    lines = lose = in_answer = 0;
    notes = lingered = follows = leaves = states_noted = updates = pauses = attended = 0;
    on_pause = NULL;
    answers = EVERYBODY;
    hv.cpu_blocks = (u64)blocks;
    hv.info = calloc(1, sizeof(*hv.info));
    hv.info->cpu_count = CORES;
    for (u32 i = 0; i < CORES; i++) {
        core(i)->index = core(i)->apic_id = i;
        core(i)->captured = true;
        core(i)->state = CORE_RUNNING;
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free((void *)hv.cpu_blocks);
    free(hv.info);
    return 0;
}

static void all_stop_and_go_on(void **state)
{
    (void)state;
    for (u32 round = 1; round <= 3; round++) {
        assert_int_equal(kick_stop(core(0), NULL), CORES);
        assert_true(kick.lock.held);
        for (u32 i = 1; i < CORES; i++) {
            assert_int_equal(core(i)->stopped_in, round);
            assert_int_not_equal(core(i)->done_in, round);
            assert_int_equal(signals[i], round);
            assert_int_equal(core(i)->signals, 1);
            assert_true(kick_has_stopped(core(i)));
        }
        assert_false(kick_has_stopped(core(0)));
        assert_int_equal(kick_resume(core(0)), CORES);
        assert_false(kick.lock.held);
        assert_int_equal(core(3)->done_in, round);
    }
    assert_int_equal(signals[0], 0);
}

/* A core that halts must not be woken for another's INIT. */
static void only_who_leaves_is_stopped(void **state)
{
    (void)state;
    core(2)->leaving = true;
    kick_stop_leaving(core(0));
    assert_true(kick_has_stopped(core(2)));
    assert_int_equal(signals[2], 1);
    assert_int_equal(signals[0] + signals[1] + signals[3], 0);
    assert_int_equal(core(1)->letter + core(3)->letter, 0);
    assert_int_equal(kick_resume(core(0)), 1);
    assert_int_equal(core(2)->done_in, kick.round);
    core(2)->leaving = false;
    assert_int_equal(kick_stop(core(1), NULL), CORES); /* the next stop is everybody's again */
    kick_resume(core(1));
}

static void a_lost_signal_is_sent_again(void **state)
{
    (void)state;
    lose = 2;
    assert_int_equal(kick_stop(core(0), NULL), CORES);
    assert_int_equal(signals[1], 1);
    assert_int_equal(signals[3], 1); /* not again: it had answered */
    assert_int_equal(core(1)->signals, 2);
    assert_int_equal(core(3)->signals, 1);
    kick_resume(core(0));
}

/* Not signalled, but the letter waits for it. */
static void expect_left_out(u32 index)
{
    assert_int_equal(kick_stop(core(0), NULL), CORES - 1);
    assert_int_equal(signals[index], 0);
    assert_int_equal(core(index)->letter, kick.round);
    assert_int_equal(kick_resume(core(0)), CORES - 1);
}

static void a_core_that_was_never_captured_is_left_out(void **state)
{
    (void)state;
    core(2)->captured = false;
    expect_left_out(2);
}

static void a_stopped_core_is_left_out(void **state)
{
    (void)state;
    core(1)->state = CORE_STOPPED;
    expect_left_out(1);
}

/* Its letter is old when it wakes: it does not wait for anybody. */
static void a_core_that_wakes_later_goes_straight_on(void **state)
{
    (void)state;
    core(1)->captured = false;
    kick_stop(core(0), NULL);
    kick_resume(core(0));
    core(1)->captured = true;
    updates = 0;
    assert_true(kick_answer(core(1)));
    assert_int_equal(pauses, PAUSES_TO_SETTLE + 2); /* all of the asking core's */
    assert_int_equal(core(1)->letter, 0);
    assert_int_equal(absorbed[1], 1);
    assert_int_equal(updates, 1); /* it has missed what the others were stopped for */
    assert_false(kick_answer(core(1)));
    assert_int_equal(absorbed[1], 1);
}

static void a_core_that_wakes_meanwhile_waits(void **state)
{
    (void)state;
    core(1)->captured = false;
    kick_stop(core(0), NULL);
    core(1)->captured = true;
    in_answer = 2;
    assert_int_not_equal(kick.resumed, kick.round);
    lingered = follows = 0;
    core(1)->signals = 3;
    assert_true(kick_answer(core(1)));
    assert_int_equal(core(1)->signalled, 3);
    assert_int_equal(kick.resumed, kick.round); /* it spun until then */
    assert_int_equal(notes, 1);
    assert_int_equal(lingered, 1);
    assert_int_equal(follows, 1); /* of the guest's map as it is now */
}

static void nobody_waits(void)
{
    fail_msg("the stop is over, and somebody waits");
}

static void resumes(void)
{
    kick.resumed = core(1)->stopped_in;
}

static void expect_answered(u32 round, u32 resumed, bool waits)
{
    core(1)->stopped_in = core(1)->done_in = 0;
    core(1)->letter = round;
    kick.round = kick.resumed = resumed;
    pauses = 0;
    on_pause = waits ? resumes : nobody_waits;
    assert_true(kick_answer(core(1)));
    assert_int_equal(pauses, waits);
    assert_int_equal(core(1)->letter, 0);
    assert_int_equal(core(1)->stopped_in, round);
    assert_int_equal(core(1)->done_in, round);
}

/* Whatever it was stopped for: by a number that may have wrapped. */
static void only_a_stop_that_lasts_is_waited_for(void **state)
{
    (void)state;
    kick.lock.held = 1;
    expect_answered(5, 5, false);
    expect_answered(5, 6, false);
    expect_answered(~0U, 3, false);
    expect_answered(6, 5, true);
    expect_answered(1, ~0U, true);
    assert_int_equal(notes, 5);
    assert_int_equal(states_noted, 5);
    assert_int_equal(updates, 5);
    assert_int_equal(follows, 5);
    assert_int_equal(absorbed[1], 5);
}

static void the_stop_lasts(void)
{
    assert_int_equal(core(1)->stopped_in, 6); /* it has answered, and waits */
    assert_int_equal(core(1)->done_in, 0);
    assert_int_equal(updates + follows + absorbed[1], 0);
    if (pauses == 7)
        kick.resumed = 6;
}

static void meanwhile_it_does_nothing(void **state)
{
    (void)state;
    kick.lock.held = 1;
    core(1)->letter = kick.round = 6;
    kick.resumed = 5;
    on_pause = the_stop_lasts;
    assert_true(kick_answer(core(1)));
    assert_int_equal(pauses, 7);
    assert_int_equal(core(1)->done_in, 6);
}

static void no_one_goes_on_before_signals_have_arrived(void)
{
    assert_int_equal(kick.resumed == kick.round, pauses > PAUSES_TO_SETTLE);
    assert_int_equal(follows, pauses > PAUSES_TO_SETTLE); /* its own map, too */
}

static void signals_settle_before_they_are_absorbed(void **state)
{
    (void)state;
    kick_stop(core(0), NULL);
    pauses = lingered = 0;
    on_pause = no_one_goes_on_before_signals_have_arrived;
    assert_int_equal(kick_resume(core(0)), CORES);
    assert_int_equal(pauses, PAUSES_TO_SETTLE + 1);
    assert_int_equal(lingered, pauses);
}

/* Where nothing is held back, no map flushed and all readable by others. */
static void a_vendor_need_not_take_part(void **state)
{
    static const struct vendor bare = {.signal_icr = signal_icr, .absorb_signal = absorb};

    (void)state;
    vendor = &bare;
    assert_int_equal(kick_stop(core(0), NULL), CORES);
    assert_int_equal(kick_resume(core(0)), CORES);
    expect_answered(7, 7, false);
    assert_int_equal(lingered + follows + states_noted, 0);
}

static void an_empty_box_is_no_kick(void **state)
{
    (void)state;
    assert_false(kick_answer(core(1)));
    assert_int_equal(absorbed[1], 0);
}

static void a_core_that_never_answers_is_named(void **state)
{
    (void)state;
    answers = EVERYBODY & ~BIT(2);
    assert_int_equal(kick_stop(core(0), NULL), CORES - 1);
    assert_int_equal(lines, 1);
    assert_int_equal(named, 2);
    assert_int_equal(core(2)->signals, SIGNALS_TO_GIVE_UP + 1);
    assert_int_equal(pauses, SIGNALS_TO_GIVE_UP * PAUSES_TO_RESEND);
    assert_int_equal(kick_resume(core(0)), CORES - 1);
}

static void round_numbers_may_wrap(void **state)
{
    (void)state;
    kick.round = kick.resumed = ~0U - 1;
    for (u32 i = 0; i < 4; i++) {
        assert_int_equal(kick_stop(core(0), NULL), CORES);
        assert_int_not_equal(kick.round, 0);
        assert_int_equal(kick_resume(core(0)), CORES);
    }
}

static void other_guests_do_not_notice(void **state)
{
    struct guest *other = (struct guest *)1;

    (void)state;
    core(1)->guest = core(2)->guest = other;
    assert_int_equal(kick_stop(core(0), NULL), 2);
    assert_int_equal(signals[1] + signals[2], 0);
    assert_int_equal(core(1)->letter, 0);
    assert_int_equal(kick_resume(core(0)), 2);
    /* Asked for by a core that is none of theirs, and goes on. */
    assert_int_equal(kick_stop(core(0), other), 2);
    assert_int_equal(signals[1] + signals[2], 2);
    assert_int_equal(signals[3], 1);
    assert_int_equal(kick_resume(core(0)), 2);
}

static void who_enters_its_guest_attends_what_it_was_stopped_for(void **state)
{
    (void)state;
    assert_false(kick_attend(core(1)));
    assert_int_equal(attended, 0);
    core(1)->letter = kick.round = kick.resumed = 7;
    assert_true(kick_attend(core(1)));
    assert_int_equal(attended, 1);
    assert_int_equal(leaves, 1);
}

static void the_other_lets_go(void)
{
    if (pauses == 3)
        kick_release();
}

/* Else the two would wait for each other. */
static void who_waits_to_hold_answers(void **state)
{
    (void)state;
    kick_hold(core(0));
    core(1)->letter = kick.round = kick.resumed = 4;
    on_pause = the_other_lets_go;
    kick_hold(core(1));
    assert_int_equal(pauses, 3);
    assert_int_equal(core(1)->done_in, 4);
    assert_int_equal(absorbed[1], 1);
    assert_int_equal(attended + leaves, 0); /* it holds something, maybe */
    assert_true(kick.lock.held);
    assert_false(lock_try(&kick.lock));
}

/* Nor one that runs, but none of the guest's: it is out for good. */
static void who_asks_counts_only_if_it_runs_the_guest(void **state)
{
    static const u8 states[] = {CORE_FIRMWARE, CORE_WAITING, CORE_STOPPED, CORE_MANAGEMENT};

    (void)state;
    for (u32 i = 0; i < COUNT(states); i++) {
        core(0)->state = states[i];
        assert_int_equal(kick_stop(core(0), NULL), CORES - 1);
        assert_int_equal(kick_resume(core(0)), CORES - 1);
    }
    core(0)->state = CORE_RUNNING;
    core(0)->guest = (struct guest *)1;
    assert_int_equal(kick_stop(core(0), NULL), CORES - 1);
    assert_int_equal(kick_resume(core(0)), CORES - 1);
}

/* Nothing is special about who is the first, or the last. */
static void the_first_core_is_one_like_others(void **state)
{
    (void)state;
    assert_int_equal(kick_stop(core(3), NULL), CORES);
    assert_int_equal(signals[0], 1);
    assert_int_equal(core(0)->signals, 1);
    assert_int_equal(signals[3], 0);
    assert_int_equal(kick_resume(core(3)), CORES);
    core(1)->captured = core(2)->captured = false;
    memset(signals, 0, sizeof(signals));
    assert_int_equal(kick_stop(core(3), NULL), 2); /* it alone is waited for */
    assert_int_equal(signals[0], 1);
    assert_int_equal(kick_resume(core(3)), 2);
}

static void the_first_core_may_be_the_silent_one(void **state)
{
    (void)state;
    named = 99;
    answers = EVERYBODY & ~BIT(0);
    assert_int_equal(kick_stop(core(3), NULL), CORES - 1);
    assert_int_equal(lines, 1);
    assert_int_equal(named, 0);
    assert_int_equal(core(0)->letter, kick.round);
}

/* It stops in the place of a core that has none to ask. */
static void any_core_may_ask(void **state)
{
    (void)state;
    assert_int_equal(kick_stop(core(3), (struct guest *)1), 0);
    assert_int_equal(pauses, 0);
    assert_int_equal(core(1)->letter, 0);
    assert_int_equal(kick_resume(core(3)), 0);
}

static void holding_keeps_stops_out(void **state)
{
    (void)state;
    kick_hold(core(0));
    assert_false(lock_try(&kick.lock));
    kick_release();
    assert_int_equal(kick_stop(core(0), NULL), CORES);
    kick_resume(core(0));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(all_stop_and_go_on),
        TEST(only_who_leaves_is_stopped),
        TEST(a_lost_signal_is_sent_again),
        TEST(a_core_that_was_never_captured_is_left_out),
        TEST(a_stopped_core_is_left_out),
        TEST(a_core_that_wakes_later_goes_straight_on),
        TEST(a_core_that_wakes_meanwhile_waits),
        TEST(an_empty_box_is_no_kick),
        TEST(a_core_that_never_answers_is_named),
        TEST(round_numbers_may_wrap),
        TEST(holding_keeps_stops_out),
        TEST(other_guests_do_not_notice),
        TEST(who_enters_its_guest_attends_what_it_was_stopped_for),
        TEST(only_a_stop_that_lasts_is_waited_for),
        TEST(meanwhile_it_does_nothing),
        TEST(signals_settle_before_they_are_absorbed),
        TEST(a_vendor_need_not_take_part),
        TEST(who_waits_to_hold_answers),
        TEST(who_asks_counts_only_if_it_runs_the_guest),
        TEST(any_core_may_ask),
        TEST(the_first_core_is_one_like_others),
        TEST(the_first_core_may_be_the_silent_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
