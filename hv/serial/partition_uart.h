/* A partition's UART (virtual_uart.h) as its cores and the operator share it: each call under
 * log_lock. */
#ifndef CEDE_PARTITION_UART_H
#define CEDE_PARTITION_UART_H

#include "serial/virtual_uart.h"

/* The partition's access to register `reg`. What an attached one sends goes on at once. */
u8 partition_uart_in(struct virtual_uart *uart, u32 reg);
void partition_uart_out(struct virtual_uart *uart, u32 reg, u8 value);

/* For its start. */
void partition_uart_reset(struct virtual_uart *uart);

/* For the command that puts the operator at it: the escape leads back to the prompt. */
void partition_uart_attach(struct virtual_uart *uart);

#endif
