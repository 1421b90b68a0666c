#include "console/console.h"
#include "console/act.h"
#include "console/command.h"
#include "console/frame.h"
#include "console/line.h"
#include "serial/wire.h"
#include "guest.h"
#include "guest/kick.h"
#include "serial/log.h"
#include "base/tsc.h"
#include "vendor.h"

#define PROMPT          "cede> "
#define TICK_MS         10
#define ANSWER_PATIENCE 200000   /* polls of some microseconds each */
#define NO_CLOCK_GAP    10000000 /* TSC ticks, where its frequency is not known */
#define NOTED           64       /* of a command, in the log */

static struct {
    struct lock lock; /* of the command line and of `answer` */
    struct line line;
    bool readonly;
    bool leaving;   /* when the answer has been sent */
    u32 changed_by; /* sequence number of the last frame that changed something */
    u64 started;
} console;

struct console_clock console_clock;

void console_init(const struct boot_info *info)
{
    wire_init(info);
    console.readonly = info->console.readonly;
    console.started = rdtsc();
    console_clock.tick = info->tsc_khz ? (u64)info->tsc_khz * TICK_MS : NO_CLOCK_GAP;
}

u64 console_seconds(void)
{
    u64 khz = hv.info->tsc_khz;

    return khz ? (rdtsc() - console.started) / (khz * 1000) : 0;
}

static bool interactive(void)
{
    return wire.mode == WIRE_SHARED || wire.mode == WIRE_OWN;
}

/* --- commands -----------------------------------------------------------------------------------
 */
static bool says_exit(const char *text)
{
    return text[0] == 'e' && text[1] == 'x' && text[2] == 'i' && text[3] == 't' && !text[4];
}

static void leave_prompt(void)
{
    lock(&log_lock);
    wire_leave();
    unlock(&log_lock);
}

/* What changes something is in the log with its outcome. */
static void run_command(struct out *out, struct cpu *self, char *text)
{
    bool changes = command_effect(text) == CHANGES;
    char noted[NOTED];

    log_text(noted, sizeof(noted), "%s", text); /* before it is taken apart */
    command_run(out, self, text, console.readonly);
    if (changes)
        log_note("console: at %u s: %s: %s%s", console_seconds(), noted,
                 out->failed ? "refused: " : "", out->said);
}

static void prompt(struct out *out)
{
    if (!wire.attached)
        out_puts(out, PROMPT);
}

static void typed_line(struct cpu *self, char *text)
{
    struct out out;

    if (says_exit(text)) {
        leave_prompt();
        return;
    }
    out_start(&out, &wire.answer, ANSWER_SIZE - 16, false);
    run_command(&out, self, text);
    out_finish(&out);
    prompt(&out);
}

static void answer_frame(struct cpu *self, u32 sequence, char *text)
{
    bool changes = command_effect(text) != LOOKS;
    struct out out;

    frame_begin(&out, &wire.answer, ANSWER_SIZE, sequence);
    if (changes && sequence && sequence == console.changed_by)
        out_say(&out, "done already: the answer was lost");
    else if (!says_exit(text))
        run_command(&out, self, text);
    if (changes)
        console.changed_by = sequence;
    frame_end(&out);
    console.leaving = says_exit(text);
}

static void damaged_frame(void)
{
    struct out out;

    frame_begin(&out, &wire.answer, ANSWER_SIZE, 0);
    out_fail(&out, "damaged frame, or a version other than 1");
    frame_end(&out);
}

static void take_line(struct cpu *self)
{
    struct frame frame;

    if (!line_is_frame(&console.line))
        typed_line(self, console.line.text);
    else if (frame_parse(console.line.text, console.line.length, &frame))
        answer_frame(self, frame.sequence, frame.text);
    else
        damaged_frame();
}

static void answer_text(const char *text)
{
    struct out out;

    out_start(&out, &wire.answer, ANSWER_SIZE, false);
    out_puts(&out, text);
}

/* --- the wire -----------------------------------------------------------------------------------
 */

/* The next event of the command line, if a byte has come and the last answer is on its way. */
static bool next_event(enum line_event *event)
{
    u8 byte;
    bool got;

    lock(&log_lock);
    wire_poll();
    if (console.leaving && !ring_used(&wire.answer)) {
        console.leaving = false;
        wire_leave();
    }
    got = !ring_used(&wire.answer) && wire_key(&byte);
    if (got)
        *event = line_byte(&console.line, byte, PROMPT, &wire.words);
    unlock(&log_lock);
    return got;
}

static void handle_event(struct cpu *self, enum line_event event)
{
    if (event == LINE_DONE)
        take_line(self);
    if (event == LINE_TOO_LONG)
        answer_text("error: the line is too long\r\n" PROMPT);
    if (event == LINE_CANCEL)
        answer_text(PROMPT);
    if (event == LINE_LEAVE)
        leave_prompt();
}

/* Not before the answer is sent, unless nobody takes it. */
static void end_machine(void)
{
    bool sent = false;

    for (u32 i = 0; i < ANSWER_PATIENCE && !sent; i++) {
        lock(&log_lock);
        sent = wire_sent();
        unlock(&log_lock);
    }
    act_end();
}

static void take_commands(struct cpu *self)
{
    enum line_event event;

    while (next_event(&event)) {
        wire.composing = true;
        handle_event(self, event);
        wire.composing = false;
        if (act_ends())
            end_machine();
    }
}

static void serve(struct cpu *self)
{
    if (!interactive() || !lock_try(&console.lock))
        return;
    take_commands(self);
    unlock(&console.lock);
}

/* A command may have been about the core's own guest. */
void console_poll(struct cpu *self)
{
    serve(self);
    if (self->captured)
        guest_attend(self);
}

void console_rest(struct cpu *self)
{
    for (u64 start = rdtsc(); rdtsc() - start < console_clock.tick / TICK_MS;)
        pause();
    if (vendor->breathe && !self->captured)
        vendor->breathe(self);
    serve(self);
}

void console_tick(struct cpu *self)
{
    if (!console_is_due())
        return;
    console_clock.last = rdtsc();
    console_poll(self);
}

void console_hold(struct cpu *self)
{
    while (!lock_try(&console.lock)) {
        kick_answer(self);
        pause();
    }
}

void console_release(void)
{
    unlock(&console.lock);
}

const char *console_text(void)
{
    static const char *const texts[] = {"none", "reports only", "shared with the guest",
                                        "Cede's own"};

    return texts[wire.mode];
}
