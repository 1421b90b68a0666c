/* The chipset's watchdog, which ends a step that hangs where nothing of the firmware runs any more.
 */
#ifndef CEDE_SELFTEST_WATCHDOG_H
#define CEDE_SELFTEST_WATCHDOG_H

#include "types.h"

/* The machine is reset after so many seconds, or the most that the watchdog has. False: there is
 * none that is known, or the board has it switched off. */
bool watchdog_start(u32 seconds);

/* Call at each boot, before it runs out. */
void watchdog_stop(void);

#endif
