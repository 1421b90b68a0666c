#include "guest/startup.h"
#include "apic/apic.h"
#include "apic/icr.h"
#include "base/msr.h"
#include "console/console.h"
#include "guest/management.h"
#include "guest.h"
#include "guest/kick.h"
#include "guest/watch.h"
#include "serial/log.h"
#include "vendor.h"

#define PAUSES_TO_ARRIVE 5000 /* a sent INIT has arrived: 10 us where PAUSE is quickest */

/* Level-triggered INIT with the level de-asserted only synchronized arbitration IDs, long ago
 * (APM 16.5). */
static bool is_deassert(u32 low)
{
    return (low & ICR_LEVEL) && !(low & ICR_ASSERT);
}

/* Where the core itself takes an INIT, as an exit; its SIPI comes by mail then. */
static bool takes_init(const struct cpu *target)
{
    return target->captured && vendor->init_exits();
}

/* --- what a guest sends -------------------------------------------------------------------------
 */

static void note_init(struct cpu *target)
{
    target->sipi = 0;
    target->started = false;
    target->state = CORE_WAITING;
    target->init_sent = takes_init(target);
}

/* Holding log_lock too: without R_INIT the target may be reset in the middle of anything
 * (hv/base/lock.h). */
static void send_init(struct cpu *target)
{
    note_init(target);
    if (!takes_init(target))
        target->captured = false;
    lock(&log_lock);
    apic_send(target->apic_id, ICR_MODE_INIT << 8 | ICR_ASSERT);
    unlock(&log_lock);
}

void startup_init_self(struct cpu *self)
{
    note_init(self);
    self->captured = false;
    apic_send(self->apic_id, ICR_MODE_INIT << 8 | ICR_ASSERT);
    vendor->await_reset(self);
}

/* A core that resets itself must not hold what it could then never release. */
static __attribute__((noreturn)) void send_init_to_self(struct cpu *self)
{
    unlock(&hv_lock);
    kick_release();
    console_release();
    startup_init_self(self);
}

static void init_core(struct cpu *self, struct cpu *target)
{
    if (target->index == hv.info->bsp) {
        log_line("core %u sent INIT to the boot processor: resetting the machine",
                 (u64)self->index);
        platform_reset();
    }
    if (target->state == CORE_STOPPED)
        return;
    if (target == self && !takes_init(self))
        send_init_to_self(self);
    send_init(target);
}

static void note_sipi(struct cpu *target, u32 vector)
{
    target->started = hv.released;
    target->state = CORE_RUNNING;
    target->sipi = (u16)(0x100 | vector);
}

/* The second SIPI of the usual pair finds the core running and is dropped, as in hardware. */
static void sipi_core(struct cpu *target, u32 vector)
{
    if (target->index == hv.info->bsp ||
        (target->state != CORE_WAITING && target->state != CORE_FIRMWARE))
        return;
    note_sipi(target, vector);
    if (!takes_init(target))
        apic_send(target->apic_id,
                  ICR_MODE_SIPI << 8 | ICR_ASSERT | (u32)(hv.info->trampoline >> 12));
}

/* Of cores that a guest's INIT or SIPI can reach at all. */
static bool is_addressed(const struct cpu *self, const struct cpu *target, u32 low, u32 destination,
                         bool x2apic)
{
    return target->guest == self->guest && target->state != CORE_MANAGEMENT &&
           icr_addresses(self, target, low, destination, x2apic);
}

/* Whether an INIT so addressed takes this one out of its guest. */
static bool is_to_leave(const struct cpu *self, const struct cpu *target, u32 low, u32 destination,
                        bool x2apic)
{
    return target != self && target->index != hv.info->bsp && target->captured &&
           is_addressed(self, target, low, destination, x2apic);
}

/* Returns how many. An INIT that reaches none, of which a guest may send many, stops nobody. */
static u32 note_leaving(const struct cpu *self, u32 low, u32 destination, bool x2apic)
{
    u32 count = 0;

    for (u32 i = 0; i < hv.info->cpu_count; i++) {
        if (!is_to_leave(self, cpu_at(i), low, destination, x2apic))
            continue;
        cpu_at(i)->leaving = true;
        count++;
    }
    return count;
}

/* Where INITs do not exit, a core leaves its guest before it is reset: KVM keeps a wrong shadow of
 * the paging of a nested guest that is reset in unpaged code. Nothing that it could hold is held
 * meanwhile. Others must not be woken: what halted them, the kernel before a kexec, may be gone. */
static void bring_out(struct cpu *self, u32 low, u32 destination, bool x2apic)
{
    if (!note_leaving(self, low, destination, x2apic))
        return;
    kick_stop_leaving(self);
    for (u32 i = 0; i < hv.info->cpu_count; i++)
        if (kick_has_stopped(cpu_at(i)) && cpu_at(i)->leaving)
            cpu_at(i)->captured = false;
    kick_resume(self);
}

void startup_leave(struct cpu *self)
{
    if (!self->leaving)
        return;
    self->captured = false; /* nobody waits for its answer */
    vendor->await_reset(self);
}

void startup_ipi(struct cpu *self, u32 low, u32 destination, bool x2apic)
{
    bool init = ICR_MODE(low) == ICR_MODE_INIT;

    if (init && is_deassert(low))
        return;
    console_hold(self);
    if (init && !vendor->init_exits())
        bring_out(self, low, destination, x2apic);
    kick_hold(self); /* nobody starts or stops while all are being stopped */
    lock(&hv_lock);
    for (u32 i = 0; i < hv.info->cpu_count; i++) {
        struct cpu *target = cpu_at(i);

        if (!is_addressed(self, target, low, destination, x2apic))
            continue;
        if (init)
            init_core(self, target);
        else
            sipi_core(target, ICR_VECTOR(low));
    }
    watch_follow();
    unlock(&hv_lock);
    kick_release();
    console_release();
    startup_leave(self);
    guest_attend(self); /* a letter may have come while it waited */
}

/* --- on the core that an INIT has reached -------------------------------------------------------
 */

/* What a stopped core's ICR holds is what its guest wrote last, or a signal of Cede's to one core.
 * That the boot processor was addressed would have reset the machine. */
static void believe(const struct cpu *sender, bool x2apic)
{
    u32 low = (u32)sender->icr, destination = (u32)(sender->icr >> 32);

    for (u32 i = 0; i < hv.info->cpu_count; i++) {
        struct cpu *target = cpu_at(i);

        if (target->index == hv.info->bsp || target->state == CORE_STOPPED ||
            !is_addressed(sender, target, low, destination, x2apic))
            continue;
        if (!target->init_sent)
            note_init(target);
        if (ICR_MODE(low) == ICR_MODE_SIPI && target->state == CORE_WAITING)
            note_sipi(target, ICR_VECTOR(low));
    }
}

static void ask_all(const struct cpu *self)
{
    for (u32 i = 0; i < hv.info->cpu_count; i++) {
        const struct cpu *sender = cpu_at(i);
        bool x2apic = sender->apic_base & APIC_BASE_EXTD;

        if (kick_has_stopped(sender) && icr_is_startup((u32)sender->icr) &&
            is_addressed(sender, self, (u32)sender->icr, (u32)(sender->icr >> 32), x2apic))
            believe(sender, x2apic);
    }
}

/* An INIT that nobody saw being sent, as all cores ran. Its SIPI may have been sent as well, and is
 * lost (SDM 26.2: this core is not in wait-for-SIPI). Who has sent an INIT or SIPI to `self` is
 * asked what; from then on ICRs are watched. An INIT for others as well, which may have been lost
 * to the stop, is theirs too. */
static void look_for_sipi(struct cpu *self)
{
    kick_stop(self, self->guest);
    lock(&hv_lock);
    if (!self->init_sent) { /* else another core that looked has noted it meanwhile */
        note_init(self);
        ask_all(self);
        watch_begin();
    }
    self->init_sent = false;
    unlock(&hv_lock);
    kick_resume(self);
    vendor->absorb_signal(self); /* an INIT that was sent twice */
}

/* An INIT that a watched ICR sent was noted by its sender, and its SIPI may be in the box already.
 */
static bool take_note(struct cpu *cpu)
{
    bool noted;

    lock(&hv_lock);
    noted = cpu->init_sent;
    if (!noted && hv.police_icr) /* a chipset's, a device's or an IOAPIC's */
        note_init(cpu);
    cpu->init_sent = false;
    unlock(&hv_lock);
    return noted || hv.police_icr;
}

void startup_init_arrived(struct cpu *cpu)
{
    management_claim(cpu);
    guest_claim(cpu);
    cpu->exits[EXIT_INIT]++;
    if (cpu->index == hv.info->bsp) {
        log_line("INIT at the boot processor: resetting the machine");
        platform_reset();
    }
    if (!take_note(cpu))
        look_for_sipi(cpu);
}

/* The vector of a SIPI that was mailed, taken out of the box; 0 when none was, or when another INIT
 * has taken it back meanwhile. `late`: an INIT has come since the core waits, or is on its way. */
static u16 take_mail(struct cpu *cpu, bool *late)
{
    u16 sipi;

    lock(&hv_lock);
    sipi = cpu->sipi;
    *late = cpu->init_sent;
    if (sipi) {
        cpu->sipi = 0;
        cpu->init_sent = false;
    }
    unlock(&hv_lock);
    return sipi;
}

static void rest(struct cpu *cpu)
{
    if (vendor->breathe)
        vendor->breathe(cpu);
    pause();
}

u8 startup_await_sipi(struct cpu *cpu)
{
    bool late;
    u16 sipi;

    do {
        while (!cpu->sipi) {
            rest(cpu);
            kick_attend(cpu);
        }
        sipi = take_mail(cpu, &late);
    } while (!sipi);
    if (late) {
        for (u32 i = 0; i < PAUSES_TO_ARRIVE; i++)
            rest(cpu);
        vendor->absorb_signal(cpu);
    }
    return (u8)sipi;
}

void startup_note_captured(struct cpu *cpu)
{
    cpu->leaving = false;
    cpu->captured = true;
    cpu->state = CORE_RUNNING;
}
