/* A performance monitoring interrupt that software must raise, since no counter overflowed in
 * hardware. */
#ifndef CEDE_PMU_PMI_H
#define CEDE_PMU_PMI_H

#include "cpu.h"

/* Does what the running core's LVTPC says, as the processor does when a counter overflows: nothing
 * if it is masked; with `set_mask` (Intel) it is masked from then on (SDM 11.5.1, APM 16.4.4). The
 * guest gets the interrupt when it is entered: until then IF=0, GIF=0 (AMD) or the host's NMI
 * handler (VMX) keep it. */
void pmi_raise(const struct cpu *cpu, bool set_mask);

#endif
