/* A core that Cede keeps for its console (cede.conf: management): it answers when no guest's core
 * ever exits.
 *
 * Firmware waits for all its processors when boot services end, so the core is a guest like the
 * others until then; the loader sees the end, and asks for it (HYPERCALL_RELEASED). An INIT takes
 * it out of the firmware's waiting loop, for good. The OS does not know it: the loader has disabled
 * it in the MADT. INIT and SIPI that a guest sends it are dropped at the sender's ICR on AMD, and
 * on Intel by the core itself, since VMX root operation blocks INITs (SDM 26.8) and SIPIs are
 * ignored outside wait-for-SIPI. An NMI is taken and forgotten; interrupts stay pending. */
#ifndef CEDE_CONSOLE_MANAGEMENT_H
#define CEDE_CONSOLE_MANAGEMENT_H

#include "cpu.h"

/* Takes the core that the loader named. Nothing happens without one, or a second time. */
void management_take(struct cpu *self);

/* On a core that an INIT has brought out of its guest: does not return if it is the one. */
void management_claim(struct cpu *cpu);

#endif
