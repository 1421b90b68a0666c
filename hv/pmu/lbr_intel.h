/* Intel's branch records (LBRs), of both kinds.
 *
 * Neither shows the hypervisor's branches: an exit clears DEBUGCTL.LBR, and IA32_LBR_CTL by a
 * control; the entry loads the guest's (SDM 27.3.2.1, 28.3.1, 28.5.1). The stack itself stays where
 * it is, as each core has one guest. */
#ifndef CEDE_LBR_INTEL_H
#define CEDE_LBR_INTEL_H

#include "pmu/intel.h"

/* Before the first entry: what the firmware recorded, and goes on to, is not to be the guest's. */
void lbr_intel_stop(const struct pmu_access *access);

/* Empties the stack and its settings, while nothing is recorded; from then on XRSTORS brings none
 * of them back. What the processor lacks faults, and stays so. */
void lbr_intel_clear(const struct pmu_access *access);

#endif
