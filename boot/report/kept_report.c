#include "report/kept_report.h"

#include "machine/console.h"
#include "place/keep.h"
#include "uefi/text.h"
#include "uefi/uefi.h"

#define LINE 256

void kept_mention(const struct kept *last)
{
    if (last)
        say("cede: kept: %s of an earlier boot: cede.efi --check shows it\n",
            last->used ? "panic report" : "last exits");
}

/* Whatever was written there since, a terminal gets printable characters. */
static void make_printable(char *line)
{
    for (; *line; line++)
        if (*line < ' ' || *line > '~')
            *line = '?';
}

static void report_text(const struct kept *last)
{
    char line[KEPT_LINE];
    u32 end = kept_text_used(last);

    if (end)
        say("cede: kept: panic report of an earlier boot:\n");
    for (u32 at = 0; at < end;) {
        at = kept_next_line(last, at, line);
        make_printable(line);
        say_wrapped("cede: kept: ", line);
    }
}

/* The one with the lowest number above `above`; NULL: none. They need not be in order: a core may
 * have died between two stores. */
static const struct kept_exit *next_exit(const struct kept_exit ring[KEPT_EXITS], u32 above)
{
    const struct kept_exit *next = NULL;

    for (u32 i = 0; i < KEPT_EXITS; i++)
        if (ring[i].number > above && (!next || ring[i].number < next->number))
            next = &ring[i];
    return next;
}

static u64 last_time(const struct kept_exit ring[KEPT_EXITS])
{
    u64 time = 0;

    for (u32 i = 0; i < KEPT_EXITS; i++)
        if (ring[i].number)
            time = MAX(time, ring[i].tsc);
    return time;
}

static void report_exit(const struct kept_exit *exit, u64 ago)
{
    char text[LINE];

    text_print(text, sizeof text, "%lu us exit %x at %x:%lx info %lx %lx rax %lx rcx %lx", ago,
               exit->reason, exit->cs, exit->rip, exit->info, exit->address, exit->rax, exit->rcx);
    say_wrapped("cede:   -", text);
}

static void report_ring(u32 core, const struct kept_exit ring[KEPT_EXITS], u64 now, u32 khz)
{
    u32 count = keep_exits(ring);
    const struct kept_exit *exit = NULL;

    if (count)
        say("cede: kept: core %u, last exits before TSC %lx:\n", core, now);
    while (count-- && (exit = next_exit(ring, exit ? exit->number : 0)))
        report_exit(exit, (now - exit->tsc) * 1000 / khz);
}

static void report_trace(const struct kept *last)
{
    const struct kept_cede *payload = (const void *)last->payload;
    u32 khz = MAX(console_tsc_khz(), 1U);
    u64 now = 0;

    for (u32 i = 0; i < kept_rings(last); i++)
        now = MAX(now, last_time(payload->rings[i]));
    for (u32 i = 0; i < kept_rings(last); i++)
        report_ring(i, payload->rings[i], now, khz);
}

void kept_report(const struct kept *last)
{
    if (!last)
        return;
    report_text(last);
    report_trace(last);
}
