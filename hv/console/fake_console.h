/* Stands in for the console in unit tests of what calls it: no port is its own, nobody holds it. */
#ifndef CEDE_FAKE_CONSOLE_H
#define CEDE_FAKE_CONSOLE_H

#include "console/console.h"

static u32 fake_console_held; /* how often */

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

void console_tick(struct cpu *self)
{
    (void)self;
}

void console_hold(struct cpu *self)
{
    (void)self;
    fake_console_held++;
}

void console_release(void)
{
    fake_console_held--;
}

#endif
