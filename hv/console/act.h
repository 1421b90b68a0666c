/* Commands that change something, and what they leave behind: a paused guest. */
#ifndef CEDE_CONSOLE_ACT_H
#define CEDE_CONSOLE_ACT_H

#include "cpu.h"

/* Whether the guest is paused, and whether `self` is the core that did it and must not enter it. */
bool act_paused(void);
bool act_holds(const struct cpu *self);

/* Stops all cores, unless they are paused, for as long as a command takes. Returns how many are
 * stopped. */
u32 act_stop(struct cpu *self);
void act_go_on(struct cpu *self);

/* Whether the last command ends the machine; and its end, for when the answer is on the line.
 * Returns if the machine goes on. */
bool act_ends(void);
void act_end(void);

#endif
