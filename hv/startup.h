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

#include "hv.h"

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

/* Whether this ICR value starts or stops a core. */
static inline bool icr_is_startup(u32 low)
{
    return ICR_MODE(low) - ICR_MODE_INIT <= ICR_MODE_SIPI - ICR_MODE_INIT;
}

/* Whether this ICR value needs judgement before it is written. On the fast path. By ICR bits 12:8:
 * in a machine of one guest a start or stop, else everything. */
#define ICR_JUDGE_STARTUP 0x60606060U
#define ICR_JUDGE_ALL     0xffffffffU

static inline bool icr_is_judged(u32 low)
{
    return hv.icr_judged >> FIELD(low, 12, 8) & 1;
}

/* In a machine of several guests, of a value that is: whether it is a plain IPI to one core of the
 * sender's own. Others go the long way (ipi_send). */
#define ICR_PLAIN       (ICR_ASSERT | ICR_LEVEL | MASK(10, 0))
#define ICR_PLAIN_MODES (BIT(0) | BIT(1) | BIT(ICR_MODE_NMI))

static inline bool icr_is_plain(const struct cpu *self, u32 low, u32 destination)
{
    return !(low & ~ICR_PLAIN) && (ICR_PLAIN_MODES >> ICR_MODE(low) & 1) &&
           destination < hv.owner_count && hv.owners[destination] == self->guest_index;
}

/* Whether the ICR value addresses `target`, as local APICs match destinations (APM 16.6.1). */
bool icr_addresses(const struct cpu *self, const struct cpu *target, u32 low, u32 destination,
                   bool x2apic);

/* Carries out any other IPI that the guest of `self` sends, where there are several guests: to
 * those of its own cores that it addresses. SMIs reach nobody. False: reserved bits, #GP in x2APIC
 * mode. */
bool ipi_send(const struct cpu *self, u32 low, u32 destination, bool x2apic);

/* Carries out an INIT or SIPI that the guest of `self` sends. */
void startup_ipi(struct cpu *self, u32 low, u32 destination, bool x2apic);

/* On `self`, where INITs do not exit: waits for a SIPI as hardware does. */
__attribute__((noreturn)) void startup_init_self(struct cpu *self);

/* On `cpu` itself: an INIT that is the guest's own has made it exit. Returns if the core is to wait
 * for its SIPI; the boot processor's resets the machine, and one that Cede keeps stays. */
void startup_init_arrived(struct cpu *cpu);

/* On `cpu` itself, just before its first entry. */
void startup_note_captured(struct cpu *cpu);

#endif
