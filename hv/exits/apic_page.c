#include "exits/apic_page.h"
#include "apic/apic.h"
#include "apic/icr.h"
#include "apic/ipi.h"
#include "base/asm.h"
#include "base/msr.h"
#include "guest.h"
#include "guest/startup.h"
#include "guest/watch.h"
#include "memory/store_fetch.h"
#include "serial/log.h"
#include "vendor.h"

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
    if (offset != APIC_ICR_HIGH) /* which an INIT or SIPI begins with */
        watch_other_write(cpu);
    *apic_register(offset) = value;
}

static bool needs_old_value(const struct store_insn *insn)
{
    return insn->kind != STORE_MOV;
}

/* Nobody writes to the first register, which is reserved (SDM 11.4.1, APM 16.3.2). KVM gives an EPT
 * violation without the address in its page if it was looking at the instruction when it found it
 * (Linux 6.1: FNAME(walk_addr_generic) by way of nested_ept_inject_page_fault). */
void apic_page_write(struct cpu *cpu, u64 gpa)
{
    u32 offset = gpa & (PAGE_SIZE - 1), old = 0;
    struct code_state code;
    struct store_insn insn;
    enum insn_status status;

    vendor->code_state(cpu, &code);
    status = store_fetch(cpu->known_stores, &code, &insn);
    if (!offset && status == INSN_OK)
        offset = insn_store_offset(&insn, cpu->regs, code.rip);
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
    cpu->apic_base = rdmsr(IA32_APIC_BASE);
    vendor->map_changed(cpu);
    return true;
}
