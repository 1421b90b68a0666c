/*
 * One clock. Bochs keeps two timers, of the screen and of the status bar, by the host's clock even
 * with `clock: sync=none`. They tell the guest nothing, but with several processors a repeated
 * string instruction lets time pass only up to the next timer, whosever it is: the ticks that it
 * takes would be the host's doing. What Bochs takes for the host's clock is the machine's here.
 */
#include "machine.h"

extern "C" Bit64u __wrap_bx_get_realtime64_usec(void)
{
    return bx_pc_system.time_usec();
}
