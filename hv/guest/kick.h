/* Stopping all cores of a guest, and letting them go on: how something that all of them share is
 * changed while they run; other guests do not notice. A letter in each core's box, and a signal
 * that makes a core leave its guest.
 *
 *     who asks                                    each other core
 *     kick_stop   letter, signal  ------------->  exits, finds the letter (kick_answer)
 *                 signals again until answered <- stopped, spins
 *     changes what is shared
 *     kick_resume ---------------------------->  absorbs what is left of the signal,
 *                                                enters its guest
 *
 * The signal is an INIT, which guests cannot hold off, or an NMI where INITs do not exit. A core
 * that runs no guest cannot be signalled and need not be: it finds the letter when it is started.
 */
#ifndef CEDE_KICK_H
#define CEDE_KICK_H

#include "cpu.h"

/* Stops every core that runs this guest but `self`, which calls with its own guest out and hv_lock
 * not held. Returns how many of the guest's are stopped now, `self` included if it is one. A core
 * that does not answer for seconds is named in the log and left out. Until kick_resume no core
 * starts or stops. */
u32 kick_stop(struct cpu *self, const struct guest *guest);

/* The same for those of its own guest's that are leaving it (cpu.leaving): the others notice
 * nothing. A stop wakes a core that halts. */
void kick_stop_leaving(struct cpu *self);

/* Between the two: whether this one has answered. It has noted its APIC then (apic_note). */
bool kick_has_stopped(const struct cpu *target);

/* Lets them go on. Returns when each is on its way, how many that are. */
u32 kick_resume(struct cpu *self);

/* On a core whose guest is out or about to start: if a letter is in the box, waits until it may go
 * on and is true. */
bool kick_answer(struct cpu *self);

/* The same where the core holds nothing and is about to enter its guest: it also does what it was
 * stopped for (guest_attend). */
bool kick_attend(struct cpu *self);

/* The second half of that. While a core is paused here it answers to further stops. */
void kick_follow(struct cpu *self);

/* Nobody is stopped, and nobody asks for it, between these. Not to be nested; comes before hv_lock.
 */
void kick_hold(struct cpu *self);
void kick_release(void);

#endif
