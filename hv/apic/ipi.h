/* IPIs that a guest sends, in a machine of several guests. */
#ifndef CEDE_IPI_H
#define CEDE_IPI_H

#include "cpu.h"

/* Carries out any other IPI that the guest of `self` sends, where there are several guests: to
 * those of its own cores that it addresses. SMIs reach nobody. False: reserved bits, #GP in x2APIC
 * mode. */
bool ipi_send(const struct cpu *self, u32 low, u32 destination, bool x2apic);

#endif
