#include "console/console.h"
#include "console/act.h"
#include "console/command.h"
#include "console/frame.h"
#include "console/line.h"
#include "console/wire.h"
#include "guest.h"
#include "kick.h"
#include "log.h"
#include "tsc.h"
#include "vcpu.h"

#define PROMPT          "cede> "
#define TICK_MS         10
#define ANSWER_PATIENCE 200000   /* polls of some microseconds each */
#define NO_CLOCK_GAP    10000000 /* TSC ticks, where its frequency is not known */

static struct {
    struct lock lock; /* of the command line and of `answer` */
    struct line line;
    bool readonly;
    bool leaving;   /* when the answer has been sent */
    u32 changed_by; /* sequence number of the last frame that changed something */
    u64 last_tick, tick;
} console;

void console_init(const struct boot_info *info)
{
    wire_init(info);
    console.readonly = info->console.readonly;
    console.tick = info->tsc_khz ? (u64)info->tsc_khz * TICK_MS : NO_CLOCK_GAP;
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

static void leave(void)
{
    lock(&log_lock);
    wire_leave();
    unlock(&log_lock);
}

static void run(struct out *out, struct cpu *self, char *text)
{
    if (command_effect(text) == CHANGES && !console.readonly)
        log_note("console: %s", text);
    command_run(out, self, text, console.readonly);
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
        leave();
        return;
    }
    out_start(&out, &wire.answer, ANSWER_SIZE - 16, false);
    run(&out, self, text);
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
        run(&out, self, text);
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

static void say(const char *text)
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

static void answer(struct cpu *self, enum line_event event)
{
    if (event == LINE_DONE)
        take_line(self);
    if (event == LINE_TOO_LONG)
        say("error: the line is too long\r\n" PROMPT);
    if (event == LINE_CANCEL)
        say(PROMPT);
    if (event == LINE_LEAVE)
        leave();
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

static void work(struct cpu *self)
{
    enum line_event event;

    while (next_event(&event)) {
        wire.composing = true;
        answer(self, event);
        wire.composing = false;
        if (act_ends())
            end_machine();
    }
}

static void serve(struct cpu *self)
{
    if (!interactive() || !lock_try(&console.lock))
        return;
    work(self);
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
    for (u64 start = rdtsc(); rdtsc() - start < console.tick / TICK_MS;)
        pause();
    if (vendor->breathe && !self->captured)
        vendor->breathe(self);
    serve(self);
}

void console_tick(struct cpu *self)
{
    u64 now = rdtsc();

    if (now - console.last_tick < console.tick)
        return;
    console.last_tick = now;
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

/* --- the guest's ports --------------------------------------------------------------------------
 */
bool console_has_port(u16 number)
{
    const struct boot_info *info = hv.info;

    return info->console.mode >= WIRE_SHARED && info->uart.kind == UART_PORT &&
           number - info->uart.base < UART_REGISTERS;
}

void console_ports(u8 *map)
{
    for (u32 number = 0; number < 0x10000; number++)
        if (console_has_port((u16)number))
            map[number / 8] |= (u8)(1 << number % 8);
}

/* A UART that Cede has for itself. The firmware's driver, which knows it from before, finds it
 * idle; an OS that looks for UARTs finds that IER keeps nothing, and so none. */
static u8 idle_read(u32 reg)
{
    return reg == UART_LSR ? LSR_THRE | LSR_TEMT : reg == UART_IIR ? IIR_NONE : 0;
}

/* An access may reach beyond the registers, where nothing is. */
static u8 read_byte(u32 number)
{
    u32 reg = number - (u32)wire.uart.base;

    if (reg >= UART_REGISTERS)
        return 0xff;
    return wire.mode == WIRE_SHARED ? guest_uart_read(reg) : idle_read(reg);
}

static void write_byte(u32 number, u8 value)
{
    u32 reg = number - (u32)wire.uart.base;

    if (reg < UART_REGISTERS && wire.mode == WIRE_SHARED)
        guest_uart_write(reg, value);
}

/* After an access: sends on, and gives the operator the core. */
static void attend(void)
{
    bool work_left;

    lock(&log_lock);
    if (!wire_direct())
        wire_pump();
    work_left = wire.at_prompt && ring_used(&wire.input);
    unlock(&log_lock);
    if (work_left)
        console_poll(this_cpu());
}

u32 console_in(u16 number, u32 size)
{
    u32 value = 0;

    lock(&log_lock);
    for (u32 i = 0; i < size; i++)
        value |= (u32)read_byte(number + i) << 8 * i;
    unlock(&log_lock);
    attend();
    return value;
}

void console_out(u16 number, u32 size, u32 value)
{
    lock(&log_lock);
    for (u32 i = 0; i < size; i++)
        write_byte(number + i, (u8)(value >> 8 * i));
    unlock(&log_lock);
    attend();
}

/* --- partitions' UARTs --------------------------------------------------------------------------
 */
u8 console_partition_in(struct guest *guest, u32 reg)
{
    u8 value;

    lock(&log_lock);
    value = virtual_uart_read(&guest->uart, reg);
    unlock(&log_lock);
    return value;
}

/* What an attached partition sends goes on at once, as far as the wire takes it. */
void console_partition_out(struct guest *guest, u32 reg, u8 value)
{
    lock(&log_lock);
    virtual_uart_write(&guest->uart, reg, value);
    if (guest->uart.attached)
        wire_poll();
    unlock(&log_lock);
}

void console_partition_reset(struct guest *guest)
{
    lock(&log_lock);
    virtual_uart_reset(&guest->uart);
    unlock(&log_lock);
}

void console_attach(struct guest *guest)
{
    lock(&log_lock);
    wire_attach(&guest->uart);
    unlock(&log_lock);
}

const char *console_text(void)
{
    static const char *const texts[] = {"none", "reports only", "shared with the guest",
                                        "Cede's own"};

    return texts[wire.mode];
}
