/* INIT and SIPI under the hypervisor's control: a guest starts and stops only
 * its own cores, and none ever runs outside the hypervisor.
 *
 *   target               INIT                               SIPI
 *   boot processor       resets the machine                 ignored
 *   not captured, or no  real INIT: the core leaves guest   real SIPI into our trampoline, the
 *   VM_CR.R_INIT         and hypervisor, waits in hardware  guest's vector kept for vendor->reset
 *   captured, VMX or     real INIT: it exits and waits for  mailbox: the core takes it as soon as
 *   R_INIT               mail in the hypervisor             it gets there, however soon it comes
 *
 * The hypervisor sees them where they are written, at the ICR; guest/watch.h says when. */
#ifndef CEDE_STARTUP_H
#define CEDE_STARTUP_H

#include "hv.h"

/* Carries out an INIT or SIPI that the guest of `self` sends. */
void startup_ipi(struct cpu *self, u32 low, u32 destination, bool x2apic);

/* On `self`, where INITs do not exit: waits for a SIPI as hardware does. */
__attribute__((noreturn)) void startup_init_self(struct cpu *self);

/* On `self`, whose guest is out, where INITs do not exit: does not return if one is on its way. */
void startup_leave(struct cpu *self);

/* On `cpu` itself: an INIT that is the guest's own has made it exit. Returns if the core is to wait
 * for its SIPI; the boot processor's resets the machine, and one that Cede keeps stays. */
void startup_init_arrived(struct cpu *cpu);

/* On `cpu` itself, which waits: returns the vector of its SIPI. */
u8 startup_await_sipi(struct cpu *cpu);

/* On `cpu` itself, just before its first entry. */
void startup_note_captured(struct cpu *cpu);

#endif
