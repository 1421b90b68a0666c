/* The operator's way in: commands at a prompt, or in frames, on a wire of Cede's own or on the
 * guest's.
 *
 * No core waits for it, and no timer is armed: it goes on whenever a core is in the hypervisor
 * anyway. On a shared wire what an operator types makes the UART interrupt the guest, whose handler
 * asks the UART, which exits; and so does every sixteenth byte of an answer. Otherwise there are
 * the slow exits, or a core that Cede keeps for itself (management.h). */
#ifndef CEDE_CONSOLE_CONSOLE_H
#define CEDE_CONSOLE_CONSOLE_H

#include "base/tsc.h"
#include "cpu.h"

void console_init(const struct boot_info *info);

/* On a core in the host with its guest out, and no lock held: does what there is to do, unless
 * another core does it. console_tick looks at the clock first: for all slow exits. */
void console_poll(struct cpu *self);
void console_tick(struct cpu *self);

/* In TSC ticks: when it was looked at last, and how long that may be ago. */
extern struct console_clock {
    u64 last, tick;
} console_clock;

static inline bool console_is_due(void)
{
    return rdtsc() - console_clock.last >= console_clock.tick;
}

/* On a core without a guest, or with a paused one: a millisecond's rest, then likewise. */
void console_rest(struct cpu *self);

/* No core is in the middle of a command between these. Before hv/guest/kick.h's, not nested. */
void console_hold(struct cpu *self);
void console_release(void);

/* Since Cede is here; 0 where the TSC's frequency is not known. */
u64 console_seconds(void);

/* For the operator: which wire. */
const char *console_text(void);

#endif
