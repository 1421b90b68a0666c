#include "serial/partition_uart.h"
#include "serial/log.h"
#include "serial/wire.h"

u8 partition_uart_in(struct virtual_uart *uart, u32 reg)
{
    u8 value;

    lock(&log_lock);
    value = virtual_uart_read(uart, reg);
    unlock(&log_lock);
    return value;
}

/* What an attached partition sends goes on at once, as far as the wire takes it. */
void partition_uart_out(struct virtual_uart *uart, u32 reg, u8 value)
{
    lock(&log_lock);
    virtual_uart_write(uart, reg, value);
    if (uart->attached)
        wire_poll();
    unlock(&log_lock);
}

void partition_uart_reset(struct virtual_uart *uart)
{
    lock(&log_lock);
    virtual_uart_reset(uart);
    unlock(&log_lock);
}

void partition_uart_attach(struct virtual_uart *uart)
{
    lock(&log_lock);
    wire_attach(uart);
    unlock(&log_lock);
}
