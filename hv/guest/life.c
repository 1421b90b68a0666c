/* How the cores of a partition start, stop and wait; guest.h has the picture. */
#include "apic/apic.h"
#include "base/asm.h"
#include "console/console.h"
#include "guest.h"
#include "guest/core_reset.h"
#include "guest/kick.h"
#include "memory/memory.h"
#include "serial/log.h"
#include "serial/partition_uart.h"
#include "base/msr.h"
#include "counters/pmu.h"
#include "apic/icr.h"
#include "guest/startup.h"
#include "vendor.h"

#define PAUSES_TO_SETTLE 100000000 /* seconds */
#define SCRUB_AT_ONCE    MIB(2)    /* what the host's state holds back waits no longer */

static bool is_boot_core(const struct cpu *cpu)
{
    return cpu->index == cpu->guest->boot->boot_cpu;
}

u32 guest_cores(const struct guest *guest, enum core_state state)
{
    u32 count = 0;

    for (u32 i = 0; i < hv.info->cpu_count; i++)
        count += cpu_at(i)->guest == guest && cpu_at(i)->state == state;
    return count;
}

/* --- start ------------------------------------------------------------------------------------ */

static void scrub(u64 base, u64 size)
{
    for (u64 done = 0; done < size; done += SCRUB_AT_ONCE) {
        zero_memory(base + done, SCRUB_AT_ONCE);
        if (vendor->breathe)
            vendor->breathe(this_cpu());
    }
}

/* What it finds where nothing is can be written to, and is one page. */
static void fill_ones(const struct guest *guest)
{
    u64 *page = (u64 *)(guest->ones[0] & PTE_ADDRESS);

    for (u32 i = 0; i < PAGE_SIZE / sizeof(*page); i++)
        page[i] = ~0ULL;
}

static void fill_memory(const struct boot_guest *boot)
{
    u64 cr3 = host_map_open();

    scrub(boot->memory.base, boot->memory.size);
    for (u32 i = 0; i < boot->piece_count; i++)
        copy_memory(boot->memory.base + boot->pieces[i].gpa, boot->pieces[i].source,
                    boot->pieces[i].size);
    host_map_close(cr3);
}

/* Waits, in hardware or here; then it has seen, or need not see, that the last life is over. */
static bool settle(struct cpu *core)
{
    for (u32 i = 0; core->state != CORE_WAITING; i++) {
        if (i == PAUSES_TO_SETTLE || core->state == CORE_STOPPED)
            return false;
        pause();
    }
    core->life = core->guest->life;
    return true;
}

static bool all_settle(const struct cpu *self)
{
    for (u32 i = 0; i < hv.info->cpu_count; i++)
        if (guest_home(cpu_at(i)) == self->guest && cpu_at(i) != self && !settle(cpu_at(i))) {
            log_line("guest %u is not started: core %u does not come back", (u64)self->guest->index,
                     (u64)i);
            return false;
        }
    return true;
}

/* Not captured meanwhile: nobody waits for its answers. */
static void wait_for_start(struct cpu *cpu)
{
    struct guest *guest = cpu->guest;

    cpu->captured = false;
    cpu->state = CORE_WAITING;
    do {
        while (guest->state == GUEST_STOPPED)
            console_rest(cpu);
        if (!all_settle(cpu))
            guest->state = GUEST_STOPPED;
    } while (guest->state == GUEST_STOPPED);
    cpu->state = CORE_RUNNING;
}

static __attribute__((noreturn)) void launch_life(struct cpu *cpu)
{
    wait_for_start(cpu);
    fill_memory(cpu->guest->boot);
    fill_ones(cpu->guest);
    partition_uart_reset(&cpu->guest->uart);
    vendor->boot(cpu);
    startup_note_captured(cpu);
    kick_attend(cpu);
    vendor->enter(cpu);
}

void guest_next(struct cpu *cpu);

/* On an empty stack: a new life. */
void guest_next(struct cpu *cpu)
{
    cpu->life = cpu->guest->life;
    core_reset(cpu);
    if (is_boot_core(cpu))
        launch_life(cpu);
    vendor->await_sipi(cpu);
}

static __attribute__((noreturn)) void leave_life(struct cpu *cpu)
{
    on_stack(cpu, guest_next);
}

void guest_claim(struct cpu *cpu)
{
    struct guest *home = guest_home(cpu);

    if (home == cpu->guest || !home->life)
        return;
    guest_own(cpu, home);
    write_cr3(guest_host_cr3(home));
    leave_life(cpu);
}

/* By the firmware's own means; where INITs do not exit, out of the hypervisor and in again. */
static void take_core(struct cpu *self, const struct cpu *core)
{
    startup_ipi(self, ICR_MODE_INIT << 8 | (u32)ICR_ASSERT, core->apic_id, true);
    if (!vendor->init_exits())
        startup_ipi(self, ICR_MODE_SIPI << 8 | (u32)ICR_ASSERT, core->apic_id, true);
}

void guests_release(struct cpu *self)
{
    if (self->guest != tenant() || hv.released)
        return;
    hv.released = true;
    for (u32 i = 1; i < hv.info->guest_count; i++)
        guest_at(i)->life = 1;
    for (u32 i = 0; i < hv.info->cpu_count; i++)
        if (guest_home(cpu_at(i)) != tenant())
            take_core(self, cpu_at(i));
    for (u32 i = 1; i < hv.info->guest_count; i++)
        guest_start(guest_at(i));
}

/* --- while it runs ---------------------------------------------------------------------------- */

void guest_attend(struct cpu *self)
{
    const struct guest *guest = self->guest;

    while (guest->state == GUEST_PAUSED && self->life == guest->life) {
        kick_answer(self);
        console_rest(self);
    }
    if (self->life != guest->life)
        leave_life(self);
}

u32 guest_pause(struct cpu *self, struct guest *guest)
{
    kick_stop(self, guest);
    guest->state = GUEST_PAUSED;
    return kick_resume(self);
}

u32 guest_resume(struct cpu *self, struct guest *guest)
{
    (void)self;
    guest->state = GUEST_RUNNING;
    return guest_cores(guest, CORE_RUNNING);
}

u32 guest_stop(struct cpu *self, struct guest *guest)
{
    kick_stop(self, guest);
    guest->state = GUEST_STOPPED;
    guest->life++;
    return kick_resume(self);
}

/* Its boot core does it. */
void guest_start(struct guest *guest)
{
    if (cpu_at(guest->boot->boot_cpu)->state == CORE_STOPPED)
        log_line("guest %u is not started: core %u is stopped for good", (u64)guest->index,
                 (u64)guest->boot->boot_cpu);
    else {
        guest->msr.withdrawn = 0; /* nobody uses them yet */
        guest->state = GUEST_RUNNING;
    }
}

void guest_fail(struct cpu *self)
{
    log_line("guest %u (%s) is stopped; the others go on", (u64)self->guest->index,
             self->guest->boot->name);
    if (self->life == self->guest->life)
        guest_stop(self, self->guest);
    leave_life(self);
}

static u64 exits_so_far(const struct cpu *cpu)
{
    u64 count = 0;

    for (u32 i = 0; i < EXIT_REASONS; i++)
        count += cpu->exits[i];
    return count;
}

void guest_refused(struct cpu *self)
{
    u64 now = exits_so_far(self) + 1;

    if (self->refused_at != now) {
        self->refused_at = now;
        return;
    }
    log_line("core %u is stopped: it cannot enter its guest in a new life either",
             (u64)self->index);
    if (self->guest->state != GUEST_STOPPED)
        guest_stop(self, self->guest);
    cpu_stop();
}
