#include "serial/virtual_uart.h"
#include "serial/uart.h"

void virtual_uart_reset(struct virtual_uart *uart)
{
    ring_clear(&uart->in);
    uart->ier = uart->lcr = uart->mcr = uart->scr = uart->fcr = 0;
    uart->divisor = 1;
}

static bool can_send(const struct virtual_uart *uart)
{
    return !uart->attached || ring_room(&uart->out);
}

/* Nobody reads it: the oldest byte goes. */
static void send(struct virtual_uart *uart, u8 byte)
{
    u8 oldest;

    if (uart->mcr & MCR_LOOP) {
        ring_put(&uart->in, byte);
        return;
    }
    if (!uart->attached && !ring_room(&uart->out))
        ring_take(&uart->out, &oldest);
    ring_put(&uart->out, byte);
}

static u8 receive(struct virtual_uart *uart)
{
    u8 byte = 0;

    ring_take(&uart->in, &byte);
    return byte;
}

/* For drivers that poll: the state, not what has changed. */
static u8 source(const struct virtual_uart *uart)
{
    if (ring_used(&uart->in) && (uart->ier & IER_ERBFI))
        return IIR_RECEIVE;
    return can_send(uart) && (uart->ier & IER_ETBEI) ? IIR_THRE : IIR_NONE;
}

static u8 line_status(const struct virtual_uart *uart)
{
    return (ring_used(&uart->in) ? LSR_DR : 0) | (can_send(uart) ? LSR_THRE | LSR_TEMT : 0);
}

u8 virtual_uart_read(struct virtual_uart *uart, u32 reg)
{
    bool latch = uart->lcr & LCR_DLAB;

    switch (reg) {
    case UART_RBR:
        return latch ? (u8)uart->divisor : receive(uart);
    case UART_IER:
        return latch ? (u8)(uart->divisor >> 8) : uart->ier;
    case UART_IIR:
        return source(uart) | (uart->fcr & FCR_ENABLE ? IIR_FIFO : 0);
    case UART_LCR:
        return uart->lcr;
    case UART_MCR:
        return uart->mcr;
    case UART_LSR:
        return line_status(uart);
    case UART_MSR:
        return uart->mcr & MCR_LOOP ? (u8)MODEM_LOOPED(uart->mcr) : MSR_READY;
    default:
        return uart->scr;
    }
}

static void write_latch(struct virtual_uart *uart, u32 reg, u8 value)
{
    uart->divisor = reg == UART_DLL ? (u16)((uart->divisor & 0xff00) | value)
                                    : (u16)((uart->divisor & 0xff) | value << 8);
}

void virtual_uart_write(struct virtual_uart *uart, u32 reg, u8 value)
{
    if ((uart->lcr & LCR_DLAB) && reg <= UART_DLM) {
        write_latch(uart, reg, value);
        return;
    }
    switch (reg) {
    case UART_THR:
        send(uart, value);
        return;
    case UART_IER:
        uart->ier = value & 0x0f;
        return;
    case UART_FCR:
        uart->fcr = value;
        if (value & FCR_CLEAR_R)
            ring_clear(&uart->in);
        return;
    case UART_LCR:
        uart->lcr = value;
        return;
    case UART_MCR:
        uart->mcr = value & 0x1f;
        return;
    case UART_SCR:
        uart->scr = value;
        return;
    }
}
