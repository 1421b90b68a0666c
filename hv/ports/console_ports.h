/* The ports of the console's UART, as the machine's own OS finds them: shared with it, or idle
 * where the UART is Cede's alone. */
#ifndef CEDE_CONSOLE_PORTS_H
#define CEDE_CONSOLE_PORTS_H

#include "types.h"

/* Adds them to a map of intercepted ports (a bit each), and whether a port is one of them. */
void console_ports(u8 *map);
bool console_has_port(u16 port);

/* A guest's access to such a port: `size` of 1, 2 or 4 bytes. */
u32 console_in(u16 port, u32 size);
void console_out(u16 port, u32 size, u32 value);

#endif
