/* Commands that change what runs. */
#include "console/act.h"
#include "base/asm.h"
#include "console/command.h"
#include "console/console.h"
#include "guest.h"
#include "serial/log.h"
#include "serial/partition_uart.h"
#include "span.h"

#define PM1_SCI_EN 1 /* ACPI 4.8.3.2.1 */

static struct guest *guest_named(const char *word)
{
    struct span span = {word, word};
    u64 number = 0;

    while (*span.end)
        span.end++;
    if (span_take_number(&span, ~0ULL, &number) && span.at == span.end)
        return number < hv.info->guest_count ? guest_at((u32)number) : NULL;
    span.at = word;
    for (u32 i = 0; i < hv.info->guest_count; i++)
        if (span_is(span, guest_at(i)->boot->name))
            return guest_at(i);
    return NULL;
}

bool request_guest(struct request *request, bool optional)
{
    request->guest = request->count > 1 ? guest_named(request->words[1]) : NULL;
    if (!request->guest && !optional)
        out_fail(request->out, "'%s' is no guest; guests lists them", request->words[1]);
    if (!request->guest) {
        request->guest = tenant();
        return optional;
    }
    for (u32 i = 2; i < request->count; i++)
        request->words[i - 1] = request->words[i];
    request->count--;
    return true;
}

/* What the guest must be for it, and what is done. */
static void act_on(struct request *request, enum guest_run from, const char *wrong,
                   const char *done, u32 (*what)(struct cpu *self, struct guest *guest))
{
    struct guest *guest;

    if (!request_guest(request, false))
        return;
    guest = request->guest;
    if (guest->state != from)
        out_fail(request->out, "guest %u is %s", (u64)guest->index, wrong);
    else
        out_say(request->out, "%s guest %u: %u cores", done, (u64)guest->index,
                (u64)what(request->self, guest));
}

void act_pause(struct request *request)
{
    act_on(request, GUEST_RUNNING, "not running", "paused", guest_pause);
}

void act_resume(struct request *request)
{
    act_on(request, GUEST_PAUSED, "not paused", "resumed", guest_resume);
}

/* Of which the machine itself is none. */
static bool is_about_partition(struct request *request)
{
    if (!request_guest(request, false))
        return false;
    if (!is_partition(request->guest))
        out_fail(request->out, "guest 0 is the machine's: reboot, poweroff");
    return is_partition(request->guest);
}

static void start_guest(struct request *request, const char *done)
{
    guest_start(request->guest);
    out_say(request->out, "%s guest %u", done, (u64)request->guest->index);
}

void act_start(struct request *request)
{
    if (!is_about_partition(request))
        return;
    if (request->guest->state != GUEST_STOPPED)
        out_fail(request->out, "guest %u is not stopped", (u64)request->guest->index);
    else
        start_guest(request, "started");
}

void act_stop(struct request *request)
{
    if (!is_about_partition(request))
        return;
    if (request->guest->state == GUEST_STOPPED)
        out_fail(request->out, "guest %u is stopped already", (u64)request->guest->index);
    else
        out_say(request->out, "stopped guest %u: %u cores", (u64)request->guest->index,
                (u64)guest_stop(request->self, request->guest));
}

void act_reset(struct request *request)
{
    if (!request_guest(request, false))
        return;
    if (!is_partition(request->guest)) {
        act_reboot(request);
        return;
    }
    if (request->guest->state != GUEST_STOPPED)
        guest_stop(request->self, request->guest);
    start_guest(request, "reset");
}

void act_attach(struct request *request)
{
    if (!is_about_partition(request))
        return;
    if (!request->guest->boot->console) {
        out_fail(request->out, "guest %u has no console", (u64)request->guest->index);
        return;
    }
    out_say(request->out, "[guest %u]", (u64)request->guest->index);
    partition_uart_attach(&request->guest->uart);
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

static void (*machine_end)(void);

bool act_ends(void)
{
    return machine_end;
}

void act_end(void)
{
    machine_end();
    machine_end = NULL;
}

void act_reboot(struct request *request)
{
    out_say(request->out, "resetting the machine");
    machine_end = platform_reset;
}

void act_poweroff(struct request *request)
{
    const struct boot_sleep *sleep = &hv.info->sleep;

    if (!sleep->s5_known || !sleep->pm1a_cnt) {
        out_fail(request->out, "the firmware's ACPI tables do not say how");
        return;
    }
    out_say(request->out, "switching the machine off");
    machine_end = power_off;
}
