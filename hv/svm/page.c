/* A store to the xAPIC's page of which everything is known, which is nearly each of them: end of
 * interrupt, timer, IPI. Whatever is unusual about one returns false and leaves nothing changed,
 * and svm_slow_exit does it (apic_page_write in hv/exits/).
 *
 * Compiled like the fast path (hv/fast.mk) and called by run.S with all registers in struct cpu, of
 * which it keeps those that the fast path keeps. */
#include "apic/apic.h"
#include "apic/icr.h"
#include "base/asm.h"
#include "base/msr.h"
#include "console/console.h"
#include "hv.h"
#include "memory/store_fetch.h"
#include "svm/fast_credit.h"
#include "svm/svm.h"

/* Registers that are between the guest and its APIC: TPR, EOI, SVR, ESR, ICR, LVT, the timer's.
 * Not those that start-up goes by (ID, LDR, DFR). */
#define APIC_BIT(offset) (1ULL << (offset) / 16)
#define APIC_PLAIN                                                                \
    (APIC_BIT(0x80) | APIC_BIT(APIC_EOI) | APIC_BIT(APIC_SVR) | APIC_BIT(0x280) | \
     MASK(0x370 / 16, APIC_ICR / 16) | APIC_BIT(0x380) | APIC_BIT(0x3e0))

static inline bool is_plain_register(u64 gpa)
{
    u64 offset = gpa - hv.apic_base, index = offset >> 4 | offset << 60;

    return index < 64 && (APIC_PLAIN >> index & 1);
}

static inline bool is_plain_exit(struct cpu *cpu)
{
    const struct vmcb *vmcb = cpu_vmcb(cpu);

    return !(vmcb->rflags & RFLAGS_UNUSUAL) && !(~vmcb->exit_info1 & (NPF_PRESENT | NPF_WRITE)) &&
           !(vmcb->exit_int_info & EVENT_VALID) && !hv.trace && !console_is_due() &&
           is_plain_register(vmcb->exit_info2);
}

static inline bool is_code_64(const struct vmcb *vmcb)
{
    return (vmcb->efer & EFER_LMA) && (vmcb->cs.attributes & BIT(9));
}

/* With decode assists the processor has recorded the instruction, if it could (APM 15.8.4). */
static inline bool is_known(const struct known_store *known, const struct vmcb *vmcb)
{
    if (svm.decode_assists && (vmcb->fetched & 15))
        return (vmcb->fetched & 15) == INSN_MAX && store_is_recorded(known, vmcb->bytes);
    return store_is_known(known, vmcb->rip, vmcb->cr3, vmcb->cr4);
}

static inline const struct store_insn *known_insn(struct cpu *cpu)
{
    const struct vmcb *vmcb = cpu_vmcb(cpu);
    const struct known_store *known = &cpu->known_stores[vmcb->rip % KNOWN_STORES];

    __asm__("" : "+r"(known)); /* computed once, not for each of its members */
    if (!is_code_64(vmcb) || known->mode != CODE_64 || known->insn.kind != STORE_MOV)
        return NULL;
    return is_known(known, vmcb) ? &known->insn : NULL;
}

static inline u32 stored_value(struct cpu *cpu, const struct store_insn *insn)
{
    if (insn->has_imm)
        return insn->imm;
    cpu->regs[RAX] = cpu_vmcb(cpu)->rax;
    cpu->regs[RSP] = cpu_vmcb(cpu)->rsp;
    return (u32)cpu->regs[insn->reg];
}

static inline bool is_judged(u64 gpa, u32 value)
{
    return gpa % PAGE_SIZE == APIC_ICR && icr_is_judged(value);
}

/* Of user code too, where a kernel lets it. */
static __attribute__((noinline)) bool credited(struct cpu *cpu)
{
    if (unlikely(!cpu->pmu.core.known.valid))
        return false;
    return likely(credit(cpu, cpu_vmcb(cpu)->cpl ? RING_USR : RING_OS)) ? true : take_back(cpu);
}

bool svm_page_exit(struct cpu *cpu)
{
    struct vmcb *vmcb = cpu_vmcb(cpu);
    u64 gpa = vmcb->exit_info2;
    const struct store_insn *insn;
    u32 value;

    if (unlikely(!is_plain_exit(cpu)))
        return false;
    insn = known_insn(cpu);
    if (unlikely(!insn))
        return false;
    value = stored_value(cpu, insn);
    if (unlikely(is_judged(gpa, value)))
        return false;
    if (unlikely(must_credit(cpu)) && unlikely(!credited(cpu)))
        return false;
    *(volatile u32 *)gpa = value; /* the host's addresses are the machine's */
    cpu->exits[EXIT_APIC_PAGE]++;
    vmcb->rip += insn->length; /* nRIP is not recorded for nested page faults (APM 15.7.1) */
    vmcb->int_shadow = 0;
    return true;
}
