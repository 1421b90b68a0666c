#include "console/act.h"
#include "asm.h"
#include "console/command.h"
#include "hv.h"
#include "kick.h"
#include "log.h"

#define PM1_SCI_EN 1 /* ACPI 4.8.3.2.1 */

static struct cpu *pauser; /* the core that has paused the guest, or NULL */
static u32 paused_cores;

bool act_paused(void)
{
    return pauser;
}

bool act_holds(const struct cpu *self)
{
    return pauser == self;
}

u32 act_stop(struct cpu *self)
{
    return pauser ? paused_cores : kick_stop(self);
}

void act_go_on(struct cpu *self)
{
    if (!pauser)
        kick_resume(self);
}

/* There is one, number 0, until partitions come. */
static bool is_guest(struct request *request)
{
    u64 guest;

    return request_number(request, 1, 1, "guest", &guest);
}

/* A core that Cede keeps is no guest's. */
static u64 guests_share(const struct cpu *self, u32 cores)
{
    return cores - (self->state == CORE_MANAGEMENT);
}

void act_pause(struct request *request)
{
    if (!is_guest(request))
        return;
    if (pauser) {
        out_fail(request->out, "guest 0 is paused already");
        return;
    }
    paused_cores = kick_stop(request->self);
    pauser = request->self;
    out_say(request->out, "paused guest 0: %u cores", guests_share(pauser, paused_cores));
}

/* On the core that paused it: no other is awake, but for one that Cede keeps. */
void act_resume(struct request *request)
{
    u32 cores;

    if (!is_guest(request))
        return;
    if (!pauser) {
        out_fail(request->out, "guest 0 is not paused");
        return;
    }
    cores = kick_resume(pauser);
    out_say(request->out, "resumed guest 0: %u cores", guests_share(pauser, cores));
    pauser = NULL;
}

/* --- the machine's end ---------------------------------------------------------------------------
 */
static void sleep_by(u16 pm1_control, u8 type)
{
    if (pm1_control)
        outw(pm1_control, (u16)((inw(pm1_control) & PM1_SCI_EN) | type << 10 | BIT(13)));
}

static void power_off(void)
{
    const struct boot_sleep *sleep = &hv.info->sleep;

    sleep_by(sleep->pm1a_cnt, sleep->s5_typ_a);
    sleep_by(sleep->pm1b_cnt, sleep->s5_typ_b);
    log_line("the machine does not go off");
}

static void (*end)(void);

bool act_ends(void)
{
    return end;
}

void act_end(void)
{
    end();
    end = NULL;
}

void act_reboot(struct request *request)
{
    out_say(request->out, "resetting the machine");
    end = platform_reset;
}

void act_reset(struct request *request)
{
    if (is_guest(request))
        act_reboot(request);
}

void act_poweroff(struct request *request)
{
    const struct boot_sleep *sleep = &hv.info->sleep;

    if (!sleep->s5_known || !sleep->pm1a_cnt) {
        out_fail(request->out, "the firmware's ACPI tables do not say how");
        return;
    }
    out_say(request->out, "switching the machine off");
    end = power_off;
}
