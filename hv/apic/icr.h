/* The local APIC's interrupt command register: its fields, and which cores a value addresses. */
#ifndef CEDE_ICR_H
#define CEDE_ICR_H

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

#endif
