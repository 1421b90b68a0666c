#include "guest/watch.h"
#include "apic/icr.h"
#include "guest.h"
#include "guest/kick.h"
#include "memory/memory.h"
#include "vendor.h"

/* The tenant's cores are stopped. They follow when they go on (hv/guest/kick.c). */
static void set(bool watching)
{
    hv.watching = watching;
    tenant()->msr.police_icr = watching;
    vendor->write_permissions(tenant());
    memory_guard_apic(watching);
}

void watch_begin(void)
{
    if (!hv.watching)
        set(true);
    watch_follow();
}

static bool is_expected(const struct cpu *cpu)
{
    return cpu->guest == tenant() && cpu->index != hv.info->bsp && !cpu->kept &&
           cpu->state != CORE_STOPPED && !cpu->started;
}

static bool all_started(void)
{
    for (u32 i = 0; i < hv.info->cpu_count; i++)
        if (is_expected(cpu_at(i)))
            return false;
    return hv.released;
}

/* Judged are then all writes, so that the next one comes to watch_other_write(). */
void watch_follow(void)
{
    if (hv.watching)
        hv.icr_judged = all_started() ? ICR_JUDGE_ALL : ICR_JUDGE_STARTUP;
}

/* Looked at again when all have stopped: another core may have sent an INIT meanwhile. */
static void end(struct cpu *self)
{
    kick_stop(self, tenant());
    lock(&hv_lock);
    if (hv.watching && all_started())
        set(false);
    unlock(&hv_lock);
    kick_resume(self);
    guest_attend(self); /* a letter may have come while it waited */
}

void watch_other_write(struct cpu *self)
{
    if (hv.watching && hv.icr_judged == ICR_JUDGE_ALL)
        end(self);
}
