#include "counters/pmi.h"
#include "apic/apic.h"
#include "base/asm.h"
#include "hv.h"
#include "base/msr.h"
#include "apic/icr.h"

#define APIC_LVTPC        0x340
#define LVT_MASKED        BIT(16)
#define LVT_DELIVERY      MASK(10, 0) /* vector and mode, placed as in the ICR */
#define IA32_X2APIC_LVTPC (IA32_X2APIC_BASE + APIC_LVTPC / 16)

static volatile u32 *xapic_lvtpc(void)
{
    return (volatile u32 *)(hv.apic_base + APIC_LVTPC);
}

static void mask(u32 lvt, bool x2apic)
{
    if (x2apic)
        wrmsr(IA32_X2APIC_LVTPC, lvt | LVT_MASKED);
    else
        *xapic_lvtpc() = lvt | (u32)LVT_MASKED;
}

/* Modes above NMI (INIT, ExtINT) have no use here and no ICR value of their own. */
void pmi_raise(const struct cpu *cpu, bool set_mask)
{
    u64 base = rdmsr(IA32_APIC_BASE);
    bool x2apic = base & APIC_BASE_EXTD;
    u32 lvt;

    if (!(base & APIC_BASE_EN))
        return;
    lvt = x2apic ? (u32)rdmsr(IA32_X2APIC_LVTPC) : *xapic_lvtpc();
    if (lvt & LVT_MASKED)
        return;
    if (set_mask)
        mask(lvt, x2apic);
    if (ICR_MODE(lvt) <= ICR_MODE_NMI)
        apic_send(cpu->apic_id, (lvt & (u32)LVT_DELIVERY) | (u32)ICR_ASSERT);
}
