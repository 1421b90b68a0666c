/* What a command leaves to be done when its answer is on the line. */
#ifndef CEDE_CONSOLE_ACT_H
#define CEDE_CONSOLE_ACT_H

#include "types.h"

/* Whether the last command ends the machine; and its end. Returns if the machine goes on. */
bool act_ends(void);
void act_end(void);

#endif
