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

#define CORES     4
#define EVERYBODY (BIT(1) | BIT(2) | BIT(3))

struct hv hv;
struct lock hv_lock, log_lock;
const struct vendor *vendor;

static u32 signals[CORES], absorbed[CORES], lines, updates;
static u32 answers;   /* cores that answer when they are signalled, as bits */
static u32 lose;      /* signals that get lost first */
static u32 in_answer; /* a core in the middle of kick_answer, + 1 */

static struct cpu *core(u32 index)
{
    return cpu_at(index);
}

/* A core takes its signal as soon as it may: here when somebody waits. */
static void meanwhile(void)
{
    if (in_answer) { /* the answering core spins: the asking one would go on */
        kick.resumed = kick.round;
        return;
    }
    for (u32 i = 1; i < CORES; i++) {
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

static u32 attended, notes, lingered, follows, leaves;

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

void guest_attend(struct cpu *self)
{
    (void)self;
    attended++;
}

void log_line(const char *format, ...)
{
    (void)format;
    lines++;
}

void pmu_update(struct cpu *cpu)
{
    (void)cpu;
    updates++;
}

static u32 signal_icr(void)
{
    return 0x4500;
}

static void absorb(struct cpu *cpu)
{
    absorbed[cpu->index]++;
}

static const struct vendor fake_vendor = {.signal_icr = signal_icr,
                                          .absorb_signal = absorb,
                                          .let_smi_in = let_smi_in,
                                          .flush_map = flush_map};

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
    notes = lingered = follows = leaves = 0;
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
    assert_true(kick_answer(core(1)));
    assert_int_equal(kick.resumed, kick.round); /* it spun until then */
    assert_int_equal(notes, 1);
    assert_int_equal(lingered, 1);
    assert_int_equal(follows, 1); /* of the guest's map as it is now */
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
    attended = 0;
    assert_false(kick_attend(core(1)));
    assert_int_equal(attended, 0);
    core(1)->letter = kick.round = kick.resumed = 7;
    assert_true(kick_attend(core(1)));
    assert_int_equal(attended, 1);
    assert_int_equal(leaves, 1);
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
