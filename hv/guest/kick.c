#include "guest/kick.h"
#include "apic/apic.h"
#include "base/asm.h"
#include "guest.h"
#include "guest/startup.h"
#include "serial/log.h"
#include "counters/pmu.h"
#include "vendor.h"

#define PAUSES_TO_SETTLE 5000    /* a sent interrupt has arrived: 10 us where PAUSE is quickest */
#define PAUSES_TO_RESEND 20000   /* under a millisecond */
#ifndef SIGNALS_TO_GIVE_UP       /* the unit test's */
#define SIGNALS_TO_GIVE_UP 10000 /* seconds */
#endif

static struct {
    struct lock lock;          /* a stop is in progress ... */
    const struct guest *guest; /* ... of this one's cores ... */
    bool leaving;              /* ... that are leaving it only */
    volatile u32 round;        /* stops begun */
    volatile u32 resumed;      /* stops ended */
} kick;

/* While a stop is in progress. SMM handlers wait for all cores, so SMIs must get through; an INIT
 * that does too is none of the guest's, which nobody sends meanwhile. */
static void linger(struct cpu *self)
{
    if (vendor->let_smi_in)
        vendor->let_smi_in(self);
    pause();
}

static void follow_map(void)
{
    if (vendor->flush_map)
        vendor->flush_map();
}

static bool open_letter(struct cpu *self)
{
    u32 round = __atomic_exchange_n(&self->letter, 0, __ATOMIC_SEQ_CST);

    if (!round)
        return false;
    if (vendor->note_state)
        vendor->note_state(self);
    apic_note(self);
    self->stopped_in = round;
    while ((int)(kick.resumed - round) < 0)
        linger(self);
    follow_map();
    pmu_update(self);
    self->signalled = self->signals; /* which is the next stop's from there on */
    self->done_in = round;
    return true;
}

bool kick_answer(struct cpu *self)
{
    if (!open_letter(self))
        return false;
    vendor->absorb_signal(self);
    return true;
}

void kick_follow(struct cpu *self)
{
    startup_leave(self);
    guest_attend(self);
}

bool kick_attend(struct cpu *self)
{
    bool answered = kick_answer(self);

    if (answered)
        kick_follow(self);
    return answered;
}

/* Another core may be waiting for this one meanwhile. */
void kick_hold(struct cpu *self)
{
    while (!lock_try(&kick.lock)) {
        kick_answer(self);
        pause();
    }
}

void kick_release(void)
{
    unlock(&kick.lock);
}

static bool is_meant(const struct cpu *target)
{
    return target->guest == kick.guest && (!kick.leaving || target->leaving);
}

/* Whether it runs the guest, and so will see a signal. */
static bool listens(const struct cpu *target)
{
    return is_meant(target) && __atomic_load_n(&target->captured, __ATOMIC_SEQ_CST) &&
           target->state != CORE_STOPPED;
}

/* Whether `self` still waits for its answer. */
static bool is_silent(const struct cpu *self, const struct cpu *target)
{
    return target != self && target->stopped_in != kick.round && listens(target);
}

static void write_letters(const struct cpu *self)
{
    for (u32 i = 0; i < hv.info->cpu_count; i++) {
        if (cpu_at(i) == self || !is_meant(cpu_at(i)))
            continue;
        cpu_at(i)->signals = 0;
        __atomic_store_n(&cpu_at(i)->letter, kick.round, __ATOMIC_SEQ_CST);
    }
}

/* Signals who has not answered. Returns how many that are. */
static u32 signal_silent(const struct cpu *self)
{
    u32 silent = 0;

    for (u32 i = 0; i < hv.info->cpu_count; i++) {
        struct cpu *target = cpu_at(i);

        if (!is_silent(self, target))
            continue;
        target->signals++;
        apic_send(target->apic_id, vendor->signal_icr());
        silent++;
    }
    return silent;
}

static bool all_quiet(const struct cpu *self)
{
    for (u32 i = 0; i < hv.info->cpu_count; i++)
        if (is_silent(self, cpu_at(i)))
            return false;
    return true;
}

static void name_silent(const struct cpu *self)
{
    for (u32 i = 0; i < hv.info->cpu_count; i++)
        if (is_silent(self, cpu_at(i)))
            log_line("core %u does not answer: changes reach it when it does", (u64)i);
}

static void signal_until_quiet(struct cpu *self)
{
    for (u32 signals = 0; signal_silent(self); signals++) {
        if (signals == SIGNALS_TO_GIVE_UP) {
            name_silent(self);
            return;
        }
        for (u32 i = 0; i < PAUSES_TO_RESEND && !all_quiet(self); i++)
            linger(self);
    }
}

static u32 count_round(const struct cpu *self, bool done)
{
    u32 count = is_meant(self) && self->state == CORE_RUNNING;

    for (u32 i = 0; i < hv.info->cpu_count; i++) {
        const struct cpu *target = cpu_at(i);

        count += target != self && (done ? target->done_in : target->stopped_in) == kick.round;
    }
    return count;
}

static u32 stop(struct cpu *self, const struct guest *guest, bool leaving)
{
    kick_hold(self);
    kick.guest = guest;
    kick.leaving = leaving;
    kick.round++;
    if (!kick.round) /* 0 is an empty box; the boxes were emptied some four thousand million ago */
        kick.round++;
    write_letters(self);
    signal_until_quiet(self);
    return count_round(self, false);
}

u32 kick_stop(struct cpu *self, const struct guest *guest)
{
    return stop(self, guest, false);
}

void kick_stop_leaving(struct cpu *self)
{
    stop(self, self->guest, true);
}

bool kick_has_stopped(const struct cpu *target)
{
    return target->stopped_in == kick.round;
}

u32 kick_resume(struct cpu *self)
{
    u32 stopped = count_round(self, false);

    /* The last signals have arrived before anybody absorbs them. */
    for (u32 i = 0; i < PAUSES_TO_SETTLE; i++)
        linger(self);
    follow_map();
    kick.resumed = kick.round;
    while (count_round(self, true) < stopped)
        linger(self);
    kick_release();
    return stopped;
}
