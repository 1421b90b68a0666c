/* INIT and SIPI under the hypervisor's control (DESIGN.md, Start-up): a guest starts and stops only
 * its own cores, and none ever runs outside the hypervisor.
 *
 * On AMD every ICR write is seen, on Intel only while a processor is not captured. INIT and SIPI
 * come here:
 *
 *   target               INIT                               SIPI
 *   boot processor       resets the machine                 ignored
 *   not captured, or no  real INIT: the core leaves guest   real SIPI into our trampoline, the
 *   VM_CR.R_INIT         and hypervisor, waits in hardware  guest's vector kept for vendor->reset
 *   captured, R_INIT     real INIT: it exits and waits for  mailbox
 *                        mail in the hypervisor
 *   captured, VMX        real INIT: it exits and waits in   real SIPI: it exits
 *                        hardware
 */
#ifndef CEDE_STARTUP_H
#define CEDE_STARTUP_H

#include "cpu.h"

/* ICR fields, APM 16.5. */
#define ICR_VECTOR(low)    FIELD(low, 7, 0)
#define ICR_MODE(low)      FIELD(low, 10, 8)
#define ICR_MODE_NMI       4
#define ICR_MODE_INIT      5
#define ICR_MODE_SIPI      6
#define ICR_LOGICAL        BIT(11)
#define ICR_BUSY           BIT(12)
#define ICR_ASSERT         BIT(14)
#define ICR_LEVEL          BIT(15) /* trigger mode */
#define ICR_SHORTHAND(low) FIELD(low, 19, 18)
enum { SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL, SHORTHAND_OTHERS };

/* Whether this ICR value starts or stops a core. On the fast path. */
static inline bool icr_is_startup(u32 low)
{
    return ICR_MODE(low) - ICR_MODE_INIT <= ICR_MODE_SIPI - ICR_MODE_INIT;
}

/* Whether the ICR value addresses `target`, as local APICs match destinations (APM 16.6.1). */
bool icr_addresses(const struct cpu *self, const struct cpu *target, u32 low, u32 destination,
                   bool x2apic);

/* Carries out an INIT or SIPI that the guest of `self` sends. */
void startup_ipi(struct cpu *self, u32 low, u32 destination, bool x2apic);

/* On `cpu` itself: an INIT that is the guest's own has made it exit. Returns if the core is to wait
 * for its SIPI; the boot processor's resets the machine, and one that Cede keeps stays. */
void startup_init_arrived(struct cpu *cpu);

/* On `cpu` itself, just before its first entry. */
void startup_note_captured(struct cpu *cpu);

#endif
