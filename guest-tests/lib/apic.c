#include "apic.h"
#include "cpu.h"

bool apic_is_x2(void)
{
    return rdmsr(MSR_APIC_BASE) & APIC_BASE_EXTD;
}

u32 apic_read(u32 offset)
{
    return apic_is_x2() ? (u32)rdmsr(0x800 + offset / 16) : xapic_read(offset);
}

void apic_write(u32 offset, u32 value)
{
    if (apic_is_x2()) {
        wrmsr(0x800 + offset / 16, value);
    } else {
        xapic_write(offset, value);
    }
}

void apic_eoi(void)
{
    apic_write(APIC_EOI, 0);
}

u32 apic_id(void)
{
    return apic_is_x2() ? (u32)rdmsr(0x802) : xapic_read(APIC_ID) >> 24;
}

void apic_enable(void)
{
    apic_write(APIC_SVR, APIC_SVR_ENABLE | 0xff);
    for (u32 lvt = APIC_LVT_TIMER; lvt <= APIC_LVT_ERROR; lvt += 0x10) {
        apic_write(lvt, APIC_LVT_MASK | 0xfe);
    }
    apic_write(APIC_TPR, 0);
}

static void xapic_send(u32 destination, u32 command)
{
    u32 patience = 1000000;
    xapic_write(APIC_ICR_HIGH, destination << 24);
    xapic_write(APIC_ICR, command);
    while ((xapic_read(APIC_ICR) & ICR_PENDING) && --patience) {
        pause();
    }
}

void apic_send(u32 destination, u32 command)
{
    if (apic_is_x2()) {
        wrmsr(MSR_X2APIC_ICR, (u64)destination << 32 | command);
    } else {
        xapic_send(destination, command);
    }
}

static bool bit_of(u32 base, u32 vector)
{
    return apic_read(base + vector / 32 * 0x10) >> vector % 32 & 1;
}

bool apic_in_service(u32 vector)
{
    return bit_of(APIC_ISR, vector);
}

bool apic_requested(u32 vector)
{
    return bit_of(APIC_IRR, vector);
}
