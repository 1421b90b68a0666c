#include "guest/startup.h"
#include "apic/apic.h"
#include "apic/icr.h"
#include "console/console.h"
#include "guest/management.h"
#include "guest.h"
#include "guest/kick.h"
#include "serial/log.h"
#include "vendor.h"

#define PAUSES_TO_DEAFNESS 1000000

/* Level-triggered INIT with the level de-asserted only synchronized arbitration IDs, long ago
 * (APM 16.5). */
static bool is_deassert(u32 low)
{
    return (low & ICR_LEVEL) && !(low & ICR_ASSERT);
}

/* Where the core itself takes an INIT, as an exit ... */
static bool takes_init(const struct cpu *target)
{
    return target->captured && vendor->init_exits();
}

/* ... and a SIPI too, or that comes by mail. */
static bool takes_sipi(const struct cpu *target)
{
    return target->captured && vendor->sipi_exits;
}

static bool by_mail(const struct cpu *target)
{
    return takes_init(target) && !takes_sipi(target);
}

/* Holding log_lock too: without R_INIT the target may be reset in the middle of anything
 * (hv/base/lock.h). */
static void send_init(struct cpu *target)
{
    target->sipi = 0;
    target->state = CORE_WAITING;
    target->init_sent = by_mail(target);
    if (!takes_init(target))
        target->captured = false;
    lock(&log_lock);
    apic_send(target->apic_id, ICR_MODE_INIT << 8 | ICR_ASSERT);
    unlock(&log_lock);
}

void startup_init_self(struct cpu *self)
{
    self->sipi = 0;
    self->captured = false;
    self->state = CORE_WAITING;
    apic_send(self->apic_id, ICR_MODE_INIT << 8 | ICR_ASSERT);
    for (;;)
        pause();
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

static void send_sipi(const struct cpu *target, u32 vector)
{
    apic_send(target->apic_id, ICR_MODE_SIPI << 8 | ICR_ASSERT | vector);
}

/* One that comes before the core is in wait-for-SIPI is lost (SDM 26.2). Bounded: it may be stuck.
 */
static void wait_until_deaf(const struct cpu *target)
{
    for (u32 i = 0; i < PAUSES_TO_DEAFNESS && !target->deaf; i++)
        pause();
}

/* The second SIPI of the usual pair finds the core running and is dropped, as in hardware. */
static void sipi_core(struct cpu *target, u32 vector)
{
    if (target->index == hv.info->bsp ||
        (target->state != CORE_WAITING && target->state != CORE_FIRMWARE))
        return;
    if (takes_sipi(target)) {
        wait_until_deaf(target);
        send_sipi(target, vector);
        return;
    }
    target->state = CORE_RUNNING;
    target->sipi = (u16)(0x100 | vector);
    if (!by_mail(target))
        send_sipi(target, (u32)(hv.info->trampoline >> 12));
}

void startup_ipi(struct cpu *self, u32 low, u32 destination, bool x2apic)
{
    bool init = ICR_MODE(low) == ICR_MODE_INIT;

    if (init && is_deassert(low))
        return;
    console_hold(self);
    kick_hold(self); /* nobody starts or stops while all are being stopped */
    lock(&hv_lock);
    for (u32 i = 0; i < hv.info->cpu_count; i++) {
        struct cpu *target = cpu_at(i);

        if (target->guest != self->guest || target->state == CORE_MANAGEMENT ||
            !icr_addresses(self, target, low, destination, x2apic))
            continue;
        if (init)
            init_core(self, target);
        else
            sipi_core(target, ICR_VECTOR(low));
    }
    unlock(&hv_lock);
    kick_release();
    console_release();
    guest_attend(self); /* a letter may have come while it waited */
}

void startup_init_arrived(struct cpu *cpu)
{
    management_claim(cpu);
    guest_claim(cpu);
    cpu->exits[EXIT_INIT]++;
    if (cpu->index != hv.info->bsp)
        return;
    log_line("INIT at the boot processor: resetting the machine");
    platform_reset();
}

void startup_note_captured(struct cpu *cpu)
{
    cpu->captured = true;
    cpu->state = CORE_RUNNING;
}
