/* A 16550 as the console's wire. The guest may use the same one: its settings are left alone unless
 * cede.conf names a baud rate, and output waits for the transmitter without touching interrupts. */
#ifndef CEDE_UART_H
#define CEDE_UART_H

#include "boot_info.h"

void uart_init(const struct boot_uart *uart);

/* Sends one byte, '\n' as CR LF. Gives up on a transmitter that stays busy: a missing or wedged
 * UART must not hang a core. */
void uart_put(const struct boot_uart *uart, char byte);

#endif
