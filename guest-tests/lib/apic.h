/* The local APIC of the running core, in whichever mode it is. */
#ifndef CEDE_GUEST_APIC_H
#define CEDE_GUEST_APIC_H

#include "types.h"

#define APIC_PAGE 0xfee00000ULL

/* Offsets in the xAPIC page; the x2APIC MSR is 0x800 + offset / 16. */
enum apic_register {
    APIC_ID = 0x20,
    APIC_VERSION = 0x30,
    APIC_TPR = 0x80,
    APIC_PPR = 0xa0,
    APIC_EOI = 0xb0,
    APIC_LDR = 0xd0,
    APIC_DFR = 0xe0,
    APIC_SVR = 0xf0,
    APIC_ISR = 0x100,
    APIC_IRR = 0x200,
    APIC_ESR = 0x280,
    APIC_ICR = 0x300,
    APIC_ICR_HIGH = 0x310,
    APIC_LVT_TIMER = 0x320,
    APIC_LVT_THERMAL = 0x330,
    APIC_LVT_PMC = 0x340,
    APIC_LVT_LINT0 = 0x350,
    APIC_LVT_LINT1 = 0x360,
    APIC_LVT_ERROR = 0x370,
    APIC_TIMER_INITIAL = 0x380,
    APIC_TIMER_CURRENT = 0x390,
    APIC_TIMER_DIVIDE = 0x3e0,
};

enum {
    APIC_BASE_BSP = 1 << 8,
    APIC_BASE_EXTD = 1 << 10,
    APIC_BASE_EN = 1 << 11,
    APIC_SVR_ENABLE = 1 << 8,
    APIC_LVT_MASK = 1 << 16,
    ICR_NMI = 4 << 8,
    ICR_INIT = 5 << 8,
    ICR_SIPI = 6 << 8,
    ICR_LOGICAL = 1 << 11,
    ICR_PENDING = 1 << 12,
    ICR_ASSERT = 1 << 14,
    ICR_SELF = 1 << 18,
    ICR_ALL = 2 << 18,
    ICR_OTHERS = 3 << 18,
};

static inline u32 xapic_read(u32 offset)
{
    return *(volatile u32 *)(APIC_PAGE + offset);
}

static inline void xapic_write(u32 offset, u32 value)
{
    *(volatile u32 *)(APIC_PAGE + offset) = value;
}

bool apic_is_x2(void);
u32 apic_read(u32 offset);
void apic_write(u32 offset, u32 value);
void apic_eoi(void);
u32 apic_id(void);

/* Software-enables the APIC, masks its LVT entries and lets every priority through. */
void apic_enable(void);

/* Sends one interrupt command and waits (bounded) until it is accepted. */
void apic_send(u32 destination, u32 command);

/* Whether the vector is in service or requested. */
bool apic_in_service(u32 vector);
bool apic_requested(u32 vector);

#endif
