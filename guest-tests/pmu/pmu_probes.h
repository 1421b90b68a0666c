/* The parts of pmu.efi; each runs on the boot processor after ExitBootServices with all cores
 * started. */
#ifndef CEDE_GUEST_PMU_PROBES_H
#define CEDE_GUEST_PMU_PROBES_H

void selector_probes(void);
void account_probes(void);

#endif
