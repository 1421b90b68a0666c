/* Stands in for the console's ports in unit tests: none is its own. */
#ifndef CEDE_FAKE_PORTS_H
#define CEDE_FAKE_PORTS_H

#include "ports/console_ports.h"

bool console_has_port(u16 port)
{
    (void)port;
    return false;
}

void console_ports(u8 *map)
{
    (void)map;
}

u32 console_in(u16 port, u32 size)
{
    (void)port;
    (void)size;
    __builtin_trap();
}

void console_out(u16 port, u32 size, u32 value)
{
    (void)port;
    (void)size;
    (void)value;
    __builtin_trap();
}

#endif
