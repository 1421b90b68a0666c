/* A core as a RESET leaves it, for a life of a partition that begins (guest.h): nothing of the last
 * one is in its registers. */
#ifndef CEDE_CORE_RESET_H
#define CEDE_CORE_RESET_H

#include "cpu.h"

/* On the core itself, its guest out and its local APIC in x2APIC mode. What the vendor keeps for
 * the guest in its VMCB or VMCS is the vendor's to reset. */
void core_reset(struct cpu *cpu);

#endif
