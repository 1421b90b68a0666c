/* The parts of basic.efi; each runs its probes on the boot processor with the library's tables
 * loaded. */
#ifndef CEDE_GUEST_BASIC_H
#define CEDE_GUEST_BASIC_H

void cpuid_probes(void);
void virtualization_probes(void);
void efer_probes(void);
void msr_sweep(void);
void exception_probes(void);
void single_step_probes(void);
void hypercall_probes(void);
void port_probes(void);
void hidden_memory_probes(void);

#endif
