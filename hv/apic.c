#include "apic.h"
#include "asm.h"
#include "guest.h"
#include "guest_store.h"
#include "log.h"
#include "msr.h"
#include "startup.h"
#include "vcpu.h"

static volatile u32 *apic_register(u32 offset)
{
    return (volatile u32 *)(hv.apic_base + offset);
}

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
    if (!(cpu->apic_base & APIC_BASE_EN) || x2apic_mode())
        return;
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

void apic_disable(void)
{
    if (rdmsr(IA32_APIC_BASE) & APIC_BASE_EN)
        apic_write(APIC_SVR, SVR_RESET);
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

/* The ID stays what start-up goes by; the rest is between the guest and its APIC. */
static void write_register(struct cpu *cpu, u32 offset, u32 value)
{
    switch (offset) {
    case APIC_ICR:
        if (icr_is_startup(value)) {
            cpu->exits[EXIT_START]++;
            startup_ipi(cpu, value, *apic_register(APIC_ICR_HIGH) >> 24, false);
            return;
        }
        if (hv.owners) {
            cpu->exits[EXIT_IPI]++;
            ipi_send(cpu, value, *apic_register(APIC_ICR_HIGH) >> 24, false);
            return;
        }
        break;
    case APIC_ID:
        cpu->exits[EXIT_APIC_PAGE]++;
        return;
    case APIC_LDR:
        cpu->xapic_ldr = value;
        break;
    case APIC_DFR:
        cpu->xapic_dfr = value;
        break;
    }
    cpu->exits[EXIT_APIC_PAGE]++;
    *apic_register(offset) = value;
}

static bool needs_old_value(const struct store_insn *insn)
{
    return insn->kind != STORE_MOV;
}

void apic_page_write(struct cpu *cpu, u64 gpa)
{
    u32 offset = gpa & (PAGE_SIZE - 1), old = 0;
    struct code_state code;
    struct store_insn insn;
    enum insn_status status;

    vendor->code_state(cpu, &code);
    status = guest_store(cpu->known_stores, &code, &insn);
    if (status != INSN_OK || offset % 16) {
        cpu->exits[EXIT_APIC_PAGE]++;
        log_guest("core %u: APIC write at %x not understood (offset %x, reason %u): #GP",
                  (u64)cpu->index, code.rip, (u64)offset, (u64)status);
        vendor->inject_gp(cpu);
        return;
    }
    if (needs_old_value(&insn))
        old = *apic_register(offset);
    write_register(cpu, offset,
                   insn_store_value(insn.kind, old,
                                    insn.has_imm ? insn.imm : (u32)cpu->regs[insn.reg],
                                    &code.rflags));
    vendor->set_rflags(cpu, code.rflags);
    if (insn.kind == STORE_XCHG)
        cpu->regs[insn.reg] = old;
    vendor->advance(cpu, insn.length);
}

u64 partition_apic_base(const struct cpu *cpu)
{
    u64 base = rdmsr(IA32_APIC_BASE) & ~APIC_BASE_BSP;

    return cpu->index == cpu->guest->boot->boot_cpu ? base | APIC_BASE_BSP : base;
}

bool apic_base_write(struct cpu *cpu, u64 value)
{
    if (is_partition(cpu->guest))
        return value == partition_apic_base(cpu);
    if ((value & APIC_BASE_ADDRESS) != hv.apic_base) {
        log_guest("core %u: moving the local APIC to %x is refused: #GP", (u64)cpu->index,
                  value & APIC_BASE_ADDRESS);
        return false;
    }
    if (!wrmsr_safe(IA32_APIC_BASE, value))
        return false;
    cpu->apic_base = value;
    return true;
}
