#include "serial/guest_uart.h"
#include "serial/wire.h"
#include "base/tsc.h"

#define HELD_RESERVE 1024 /* for those who send without waiting for long */

static struct guest_uart *const guest = &wire.guest;

void guest_uart_start(void)
{
    u8 iir = uart_read(&wire.uart, UART_IIR);

    guest->lcr = uart_read(&wire.uart, UART_LCR) & (u8)~LCR_DLAB;
    guest->divisor = uart_divisor(&wire.uart, guest->lcr);
    guest->ier = wire.ier = uart_read(&wire.uart, UART_IER);
    guest->mcr = uart_read(&wire.uart, UART_MCR) & (u8)~MCR_LOOP;
    guest->fcr = (iir & IIR_FIFO) == IIR_FIFO ? FCR_ENABLE : 0;
    wire.depth = guest->fcr ? 16 : 1;
}

/* --- receiver -----------------------------------------------------------------------------------
 */
static u8 *head_errors(void)
{
    return &guest->in.bytes[guest->in.out & (guest->in.size - 1)];
}

void guest_uart_receive(u8 errors, u8 byte)
{
    if (ring_room(&guest->in) < 2) {
        *head_errors() |= 2; /* overrun */
        return;
    }
    ring_put(&guest->in, errors);
    ring_put(&guest->in, byte);
}

static u8 read_data(void)
{
    u8 errors;

    wire_receive();
    if (ring_take(&guest->in, &errors))
        ring_take(&guest->in, &guest->rbr);
    return guest->rbr;
}

/* --- transmitter --------------------------------------------------------------------------------
 */
static bool room_to_hold(void)
{
    return ring_room(&wire.held) > HELD_RESERVE;
}

/* A visit to the prompt that nobody uses must not stop a guest that has filled the ring. */
static void end_idle_visit(void)
{
    if (wire.at_prompt && wire.idle && rdtsc() - wire.last_key > wire.idle)
        wire_leave();
}

static void transmitter_empty(void)
{
    bool news = (guest->ier & IER_ETBEI) && !guest->thre;

    guest->thre = guest->ier & IER_ETBEI;
    if (news)
        wire_raise();
}

void guest_uart_divert(void)
{
    if (guest->ier & IER_ETBEI)
        transmitter_empty();
}

static void hold(u8 byte)
{
    wire.lost += !ring_put(&wire.held, byte);
    guest->blocked = !room_to_hold();
    if (guest->blocked)
        end_idle_visit();
    else
        transmitter_empty();
}

static void send(u8 byte)
{
    guest->thre = false;
    if (guest->mcr & MCR_LOOP)
        guest_uart_receive(0, byte);
    else if (wire_direct())
        uart_write(&wire.uart, UART_THR, byte);
    else
        hold(byte);
}

static u8 transmitter_status(void)
{
    u8 ready = LSR_THRE | LSR_TEMT;

    if (guest->mcr & MCR_LOOP)
        return ready;
    if (wire_direct())
        return uart_read(&wire.uart, UART_LSR) & ready;
    if (room_to_hold())
        return ready;
    end_idle_visit();
    return 0;
}

static u8 read_status(void)
{
    u8 status;

    wire_receive();
    status = transmitter_status();
    if (!ring_used(&guest->in))
        return status;
    status |= LSR_DR | *head_errors();
    if (*head_errors() && (guest->fcr & FCR_ENABLE))
        status |= LSR_FIFO;
    *head_errors() = 0; /* reading clears them */
    return status;
}

void guest_uart_catch_up(void)
{
    if (guest->fcr_due && wire_direct()) {
        guest->fcr_due = false;
        uart_write(&wire.uart, UART_FCR, guest->fcr);
    }
    if (guest->blocked) {
        end_idle_visit();
        wire_send();
    }
    if (guest->blocked && ring_used(&wire.held) <= wire.held.size / 2) {
        guest->blocked = false;
        transmitter_empty();
    }
}

/* --- interrupts ---------------------------------------------------------------------------------
 */
static u8 source(void)
{
    if (ring_used(&guest->in) && *head_errors() && (guest->ier & IER_ELSI))
        return IIR_LINE;
    if (ring_used(&guest->in) && (guest->ier & IER_ERBFI))
        return guest->fcr & FCR_ENABLE ? IIR_TIMEOUT : IIR_RECEIVE;
    return guest->thre && (guest->ier & IER_ETBEI) ? IIR_THRE : IIR_NONE;
}

bool guest_uart_pending(void)
{
    return source() != IIR_NONE;
}

/* Asks the UART, which has been emptied: it may still have a transmitter, the guest's or only
 * Cede's, and a modem line to speak of. Reading clears the former, so the latter comes to light. */
static u8 ask_uart(void)
{
    u8 iir = uart_read(&wire.uart, UART_IIR);

    for (u32 i = 0; i < 4 && (iir & IIR_SOURCE) == IIR_THRE; i++) {
        wire_send();
        if (wire_direct())
            guest->thre = guest->ier & IER_ETBEI;
        iir = uart_read(&wire.uart, UART_IIR);
    }
    return iir;
}

static u8 read_identification(void)
{
    u8 iir, found;

    wire.raised = false;
    wire_pump();
    iir = ask_uart();
    found = source();
    if (found == IIR_THRE)
        guest->thre = false;
    if (found == IIR_NONE && (iir & IIR_SOURCE) == IIR_MODEM && (guest->ier & IER_EDSSI))
        found = IIR_MODEM;
    wire_set_ier();
    return found | (guest->fcr & FCR_ENABLE ? iir & (u8)~IIR_SOURCE : 0);
}

static void write_ier(u8 value)
{
    bool etbei = (value & IER_ETBEI) && !(guest->ier & IER_ETBEI);

    guest->ier = value & 0x0f;
    if (!etbei || !(transmitter_status() & LSR_THRE)) {
        wire_set_ier();
        return;
    }
    guest->thre = false;
    transmitter_empty();
}

/* --- settings -----------------------------------------------------------------------------------
 */

/* The receiver's FIFO is the ring. What the guest has sent it may no longer take back, since it was
 * told that it is gone. */
static void write_fcr(u8 value)
{
    bool reset = (value ^ guest->fcr) & FCR_ENABLE;

    wire_receive();
    if (reset || (value & FCR_CLEAR_R))
        ring_clear(&guest->in);
    guest->fcr = value & (u8) ~(FCR_CLEAR_R | FCR_CLEAR_T);
    guest->fcr_due = true;
    if (wire_direct()) {
        guest->fcr_due = false;
        uart_write(&wire.uart, UART_FCR, value & (u8)~FCR_CLEAR_R);
    }
    wire.depth = 1; /* till the UART says that it has a FIFO */
    if ((guest->fcr & FCR_ENABLE) && !guest->fcr_due && (ask_uart() & IIR_FIFO) == IIR_FIFO)
        wire.depth = 16;
}

/* While the guest is at the divisor latch the UART keeps its settings: some drivers look for other
 * chips by values that are none (0xbf). */
static void write_lcr(u8 value)
{
    guest->lcr = value;
    if (!(value & LCR_DLAB))
        uart_write(&wire.uart, UART_LCR, value);
}

static void write_divisor(u16 divisor)
{
    guest->divisor = divisor;
    if (divisor)
        uart_set_divisor(&wire.uart, divisor, uart_read(&wire.uart, UART_LCR));
}

/* In loopback a UART's own outputs are off, OUT2 among them, which gates its interrupts. */
static void write_mcr(u8 value)
{
    u8 real = value & MCR_LOOP ? 0 : value;

    guest->mcr = value;
    uart_write(&wire.uart, UART_MCR, wire.at_prompt ? real | MCR_DTR_RTS : real);
}

static u8 read_msr(void)
{
    if (guest->mcr & MCR_LOOP)
        return (u8)MODEM_LOOPED(guest->mcr);
    return uart_read(&wire.uart, UART_MSR);
}

static u8 read_latch(u32 reg)
{
    return (u8)(reg == UART_DLL ? guest->divisor : guest->divisor >> 8);
}

static void write_latch(u32 reg, u8 value)
{
    if (reg == UART_DLL)
        write_divisor((guest->divisor & 0xff00) | value);
    else
        write_divisor((u16)(guest->divisor & 0xff) | (u16)(value << 8));
}

u8 guest_uart_read(u32 reg)
{
    if ((guest->lcr & LCR_DLAB) && reg <= UART_DLM)
        return read_latch(reg);
    switch (reg) {
    case UART_RBR:
        return read_data();
    case UART_IER:
        return guest->ier;
    case UART_IIR:
        return read_identification();
    case UART_LCR:
        return guest->lcr;
    case UART_MCR:
        return guest->mcr;
    case UART_LSR:
        return read_status();
    case UART_MSR:
        return read_msr();
    default:
        return uart_read(&wire.uart, reg);
    }
}

void guest_uart_write(u32 reg, u8 value)
{
    if ((guest->lcr & LCR_DLAB) && reg <= UART_DLM) {
        write_latch(reg, value);
        return;
    }
    switch (reg) {
    case UART_THR:
        send(value);
        return;
    case UART_IER:
        write_ier(value);
        return;
    case UART_FCR:
        write_fcr(value);
        return;
    case UART_LCR:
        write_lcr(value);
        return;
    case UART_MCR:
        write_mcr(value);
        return;
    case UART_LSR: /* the manufacturer's tests only */
        return;
    default:
        uart_write(&wire.uart, reg, value);
    }
}
