/* The parts of smp.efi; each runs on the boot processor after ExitBootServices with all cores
 * started. */
#ifndef CEDE_GUEST_SMP_PROBES_H
#define CEDE_GUEST_SMP_PROBES_H

void start_probes(void);
void ipi_probes(void);
void nmi_probes(void);
void decode_probes(void);
void apic_probes(void);
void x2apic_probes(void);

#endif
