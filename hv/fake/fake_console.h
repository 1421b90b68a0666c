/* Stands in for the console in unit tests of what calls it: nobody holds it. */
#ifndef CEDE_FAKE_CONSOLE_H
#define CEDE_FAKE_CONSOLE_H

#include "console/console.h"

static u32 fake_console_held; /* how often */

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
