/* The running core's local APIC, as far as Cede uses it itself. Everything else of it is the
 * guest's. */
#ifndef CEDE_APIC_H
#define CEDE_APIC_H

#include "hv.h"

#define APIC_ID       0x020
#define APIC_EOI      0x0b0
#define APIC_LDR      0x0d0
#define APIC_DFR      0x0e0
#define APIC_SVR      0x0f0
#define APIC_ICR      0x300
#define APIC_ICR_HIGH 0x310

#define SVR_RESET 0xff /* disabled by software */

/* A register of its page: valid in xAPIC mode only. */
static inline volatile u32 *apic_register(u32 offset)
{
    return (volatile u32 *)(hv.apic_base + offset);
}

/* Sends `low` to one core, physical destination, from the running core's APIC in whatever mode it
 * is. A guest's half-written xAPIC ICR is kept. */
void apic_send(u32 apic_id, u32 low);

/* Notes the running core's mode, logical destination and ICR. */
void apic_note(struct cpu *cpu);

/* Puts the running core's local APIC in x2APIC mode. */
void apic_enable_x2apic(void);

/* Puts the running core's local APIC in its state after INIT (APM 16.3.3): mode, address and ID
 * stay. */
void apic_reset(void);

#endif
