/* A partition's console: a 16550 of which nothing is real but its registers. It has no interrupt: a
 * driver polls it. What the partition sends is kept, the last VIRTUAL_UART_OUT bytes of it, until
 * an operator attaches to it; to an attached one the transmitter is as slow as the wire.
 *
 * All of it under log_lock. */
#ifndef CEDE_CONSOLE_VIRTUAL_UART_H
#define CEDE_CONSOLE_VIRTUAL_UART_H

#include "serial/ring.h"

#define VIRTUAL_UART_OUT 8192
#define VIRTUAL_UART_IN  256

struct virtual_uart {
    struct ring in, out;
    bool attached;
    u8 ier, lcr, mcr, scr, fcr;
    u16 divisor;
    u8 typed[VIRTUAL_UART_IN];
};

/* As after power-on; what waits to be read is forgotten. */
void virtual_uart_reset(struct virtual_uart *uart);

u8 virtual_uart_read(struct virtual_uart *uart, u32 reg);
void virtual_uart_write(struct virtual_uart *uart, u32 reg, u8 value);

#endif
