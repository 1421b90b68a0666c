#include "serial/wire.h"
#include "base/tsc.h"

#define RECEIVE_LIMIT 64   /* bytes in one go: a UART that says DR for ever must not hang a core */
#define SEND_LIMIT    1024 /* bytes in one go: an emulator's UART is never busy */
#define IDLE_SECONDS  30
#define NEW_PROMPT    "\r\n[Cede]\r\ncede> "

struct wire wire;

static u8 input_bytes[INPUT_SIZE], answer_bytes[ANSWER_SIZE], words_bytes[WORDS_SIZE],
    held_bytes[HELD_SIZE], guest_bytes[INPUT_SIZE];

static void send_words(const char *text)
{
    for (; *text; text++)
        ring_put(&wire.words, (u8)*text);
}

void wire_init(const struct boot_info *info)
{
    wire = (struct wire){.uart = info->uart,
                         .mode = info->console.mode,
                         .at_prompt = info->console.mode == WIRE_OWN,
                         .depth = 1,
                         .escape.key = info->console.escape,
                         .input = RING(input_bytes),
                         .answer = RING(answer_bytes),
                         .words = RING(words_bytes),
                         .held = RING(held_bytes),
                         .guest.in = RING(guest_bytes),
                         .idle = info->tsc_khz * 1000ULL * IDLE_SECONDS};
    uart_init(&wire.uart);
    if (wire.mode == WIRE_OWN) {
        uart_write(&wire.uart, UART_FCR, FCR_ENABLE);
        uart_write(&wire.uart, UART_MCR, MCR_DTR_RTS);
        wire.depth = 16;
    } else if (wire.mode == WIRE_SHARED) {
        guest_uart_start();
    }
}

static bool pending(void)
{
    return ring_used(&wire.answer) || ring_used(&wire.words) ||
           (wire.attached && ring_used(&wire.attached->out)) ||
           (!wire.at_prompt && ring_used(&wire.held));
}

static bool idle(void)
{
    return !wire.at_prompt && !pending();
}

bool wire_direct(void)
{
    return idle() && !wire.sending;
}

/* --- in -----------------------------------------------------------------------------------------
 */
static void put_input(u8 errors, u8 byte)
{
    if (ring_room(&wire.input) < 2) /* at the prompt, with an answer under way: a flood */
        return;
    ring_put(&wire.input, errors);
    ring_put(&wire.input, byte);
}

static bool take_input(u8 *errors, u8 *byte)
{
    return ring_take(&wire.input, errors) && ring_take(&wire.input, byte);
}

/* Breaks and garbled bytes are no keys. */
static enum escape_event escape_event(u8 errors, u8 byte)
{
    return escape_byte_seen(&wire.escape, errors ? (u8)~wire.escape.key : byte);
}

static void enter_prompt(void)
{
    wire.at_prompt = true;
    wire.last_key = rdtsc();
    send_words(NEW_PROMPT);
    guest_uart_divert();
}

/* Stops at the escape: what follows is the operator's. */
static void route(void)
{
    u8 errors, byte;

    while (!wire.at_prompt && take_input(&errors, &byte)) {
        enum escape_event event = escape_event(errors, byte);

        if (event == ESCAPE_SWITCH || event == ESCAPE_PROMPT)
            enter_prompt();
        if (event == ESCAPE_BOTH)
            guest_uart_receive(0, wire.escape.key);
        if (event == ESCAPE_BOTH || event == ESCAPE_BYTE)
            guest_uart_receive(errors, byte);
    }
}

void wire_receive(void)
{
    for (u32 i = 0; i < RECEIVE_LIMIT; i++) {
        u8 status = uart_read(&wire.uart, UART_LSR);

        if (!(status & LSR_DR) || status == 0xff) /* all ones: no UART */
            break;
        put_input(status & LSR_ERRORS, uart_read(&wire.uart, UART_RBR));
    }
    route();
}

void wire_attach(struct virtual_uart *uart)
{
    wire.attached = uart;
    uart->attached = true;
}

static void detach(void)
{
    wire.attached->attached = false;
    wire.attached = NULL;
}

void wire_leave(void)
{
    if (wire.attached)
        detach();
    if (wire.mode != WIRE_SHARED || !wire.at_prompt)
        return;
    wire.at_prompt = false;
    send_words("\r\n[guest]\r\n");
    route();
}

/* What does not fit is lost, as where nobody reads. */
static void attached_key(enum escape_event event, u8 byte)
{
    if (event == ESCAPE_SWITCH || event == ESCAPE_PROMPT) {
        detach();
        send_words(NEW_PROMPT);
        return;
    }
    if (event == ESCAPE_BOTH)
        ring_put(&wire.attached->in, wire.escape.key);
    if (event == ESCAPE_BOTH || event == ESCAPE_BYTE)
        ring_put(&wire.attached->in, byte);
}

bool wire_key(u8 *byte)
{
    u8 errors;

    while (wire.at_prompt && take_input(&errors, byte)) {
        enum escape_event event = escape_event(errors, *byte);

        wire.last_key = rdtsc();
        if (wire.attached) {
            attached_key(event, *byte);
            continue;
        }
        if (event == ESCAPE_SWITCH)
            wire_leave();
        if (!errors && (event == ESCAPE_BYTE || event == ESCAPE_BOTH))
            return true;
    }
    return false;
}

/* --- out ----------------------------------------------------------------------------------------
 */

/* An answer that has begun is not interrupted: programs read it. */
static bool next_byte(u8 *byte)
{
    if (wire.answering && ring_take(&wire.answer, byte))
        return true;
    wire.answering = false;
    if (ring_take(&wire.words, byte))
        return true;
    wire.answering = !wire.composing && ring_take(&wire.answer, byte);
    return wire.answering || (wire.attached && ring_take(&wire.attached->out, byte)) ||
           (!wire.at_prompt && ring_take(&wire.held, byte));
}

void wire_send(void)
{
    u8 byte;

    for (u32 sent = 0; sent < SEND_LIMIT && (wire.sending || pending()); sent += wire.depth) {
        if (!(uart_read(&wire.uart, UART_LSR) & LSR_THRE))
            return;
        wire.sending = pending();
        for (u32 i = 0; i < wire.depth && next_byte(&byte); i++)
            uart_write(&wire.uart, UART_THR, byte);
    }
}

void wire_say(char c)
{
    if (wire.uart.kind == UART_NONE)
        return;
    if (wire.mode != WIRE_LOG && !idle()) {
        ring_put(&wire.words, (u8)c);
        return;
    }
    uart_put(&wire.uart, (u8)c);
    wire.sending = true;
}

void wire_cry(char c)
{
    if (wire.uart.kind != UART_NONE)
        uart_put(&wire.uart, (u8)c);
}

/* --- the guest's interrupts ---------------------------------------------------------------------
 */

/* A guest that takes interrupts at all sees that a transmitter is empty when Cede has more to send:
 * its handler is where Cede goes on. */
void wire_set_ier(void)
{
    u8 ier = wire.guest.ier;

    if (ier && pending())
        ier |= IER_ETBEI;
    if (ier != wire.ier)
        uart_write(&wire.uart, UART_IER, ier);
    wire.ier = ier;
}

void wire_raise(void)
{
    if (!wire.guest.ier)
        return;
    wire.raised = true;
    wire.ier = wire.guest.ier | IER_ETBEI;
    uart_write(&wire.uart, UART_IER, 0);
    uart_write(&wire.uart, UART_IER, wire.ier);
}

void wire_pump(void)
{
    if (wire.mode == WIRE_NONE || wire.mode == WIRE_LOG)
        return;
    wire_receive();
    wire_send();
    if (wire.mode != WIRE_SHARED)
        return;
    guest_uart_catch_up();
    wire_set_ier();
}

bool wire_sent(void)
{
    wire_pump();
    return !wire.sending && !pending();
}

void wire_poll(void)
{
    wire_pump();
    if (wire.mode == WIRE_SHARED && guest_uart_pending() && !wire.raised)
        wire_raise();
}
