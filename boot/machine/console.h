/* Which serial port the hypervisor reports on. */
#ifndef CEDE_CONSOLE_H
#define CEDE_CONSOLE_H

#include "conf/conf.h"

/* cede.conf's choice; for `auto` SPCR's port (kind UART_NONE: there is none), else COM1 where a
 * UART answers. */
struct boot_uart console_choose(const struct conf *conf, const struct boot_uart *spcr);

/* How Cede uses it. */
struct boot_console console_wire(const struct conf *conf, const struct boot_uart *uart);

/* "0x3f8 (SPCR)" and the like. */
const char *console_text(const struct conf *conf, const struct boot_uart *uart, char out[48]);

/* The TSC's frequency by the firmware's clock, to a percent or so: for patience and rates. */
u32 console_tsc_khz(void);

#endif
