#include "apic/apic.h"
#include "base/asm.h"
#include "guest.h"
#include "memory/store_fetch.h"
#include "serial/log.h"
#include "base/msr.h"
#include "apic/icr.h"
#include "vendor.h"

static bool x2apic_mode(void)
{
    return rdmsr(IA32_APIC_BASE) & APIC_BASE_EXTD;
}

/* Bounded: a delivery status that never clears must not hang the core. */
static void wait_until_sent(void)
{
    for (u32 i = 0; i < 1000000 && (*apic_register(APIC_ICR) & ICR_BUSY); i++)
        pause();
}

static void xapic_send(u32 apic_id, u32 low)
{
    u32 high = *apic_register(APIC_ICR_HIGH);

    wait_until_sent();
    *apic_register(APIC_ICR_HIGH) = apic_id << 24;
    *apic_register(APIC_ICR) = low;
    wait_until_sent();
    *apic_register(APIC_ICR_HIGH) = high;
}

void apic_send(u32 apic_id, u32 low)
{
    if (x2apic_mode())
        wrmsr(IA32_X2APIC_ICR, (u64)apic_id << 32 | low);
    else
        xapic_send(apic_id, low);
}

void apic_note(struct cpu *cpu)
{
    cpu->apic_base = rdmsr(IA32_APIC_BASE);
    cpu->icr = 0;
    if (!(cpu->apic_base & APIC_BASE_EN))
        return;
    if (x2apic_mode()) {
        cpu->icr = rdmsr(IA32_X2APIC_ICR);
        return;
    }
    cpu->icr = (u64)(*apic_register(APIC_ICR_HIGH) >> 24) << 32 | *apic_register(APIC_ICR);
    cpu->xapic_ldr = *apic_register(APIC_LDR);
    cpu->xapic_dfr = *apic_register(APIC_DFR);
}

static void apic_write(u32 offset, u32 value)
{
    if (x2apic_mode())
        wrmsr_safe(IA32_X2APIC_BASE + offset / 16, value);
    else
        *apic_register(offset) = value;
}

/* APM 16.3.3: LVT entries masked, spurious vector 0xff, the rest 0. x2APIC mode has no LDR and DFR
 * to write. */
static void write_reset_values(void)
{
    static const struct {
        u16 offset;
        u32 value;
    } values[] = {
        {0x080, 0},       {0x320, 0x10000},      {0x330, 0x10000}, {0x340, 0x10000},
        {0x350, 0x10000}, {0x360, 0x10000},      {0x370, 0x10000}, {0x380, 0},
        {0x3e0, 0},       {APIC_SVR, SVR_RESET},
    };

    for (u32 i = 0; i < COUNT(values); i++)
        apic_write(values[i].offset, values[i].value);
    if (x2apic_mode())
        return;
    *apic_register(APIC_LDR) = 0;
    *apic_register(APIC_DFR) = ~0U;
}

/* Disabling the APIC forgets everything in it, requests in IRR included, which no register write
 * can clear; enabling it again starts from the reset state (APM 16.3.1, 16.9 for the way back to
 * x2APIC mode). The registers are written all the same: Bochs keeps some of them, and an x2APIC
 * that is locked (SDM 11.12.1, LEGACY_XAPIC_DISABLED) cannot be disabled. */
void apic_reset(void)
{
    u64 base = rdmsr(IA32_APIC_BASE);

    if (!(base & APIC_BASE_EN))
        return;
    if (wrmsr_safe(IA32_APIC_BASE, base & ~(APIC_BASE_EN | APIC_BASE_EXTD))) {
        wrmsr(IA32_APIC_BASE, base & ~APIC_BASE_EXTD);
        if (base & APIC_BASE_EXTD)
            wrmsr(IA32_APIC_BASE, base);
    }
    write_reset_values();
}

/* By way of xAPIC mode, if it is off (APM 16.9, SDM 11.12.5). */
void apic_enable_x2apic(void)
{
    u64 base = rdmsr(IA32_APIC_BASE);

    if (base & APIC_BASE_EXTD)
        return;
    wrmsr(IA32_APIC_BASE, base | APIC_BASE_EN);
    wrmsr(IA32_APIC_BASE, base | APIC_BASE_EN | APIC_BASE_EXTD);
}
