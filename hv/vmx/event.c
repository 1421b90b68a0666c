/* What an entry delivers to the guest.
 *
 * Interrupts and NMIs go to the guest without an exit. An NMI or machine check that arrives while
 * the hypervisor runs only leaves a mark (hv/host/exception.c); nothing there executes IRET, so no
 * second NMI comes before the entry. The next entry delivers what is marked, as long as it carries
 * no other event and the guest is not in the shadow of an STI or MOV SS; else the guest goes one
 * step, by the monitor trap flag, and it is delivered then (SDM 26.5.2). While an NMI waits so,
 * NMIs are blocked in the guest: one would overtake it, and two more would become one. */
#include "base/asm.h"
#include "hv.h"
#include "base/msr.h"
#include "vmx/vmx.h"

enum { NMI = 2, GP = 13, MC = 18 };

#define SHADOW (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS)

void vmx_inject(u64 event)
{
    vmwrite(VMCS_ENTRY_EVENT, event);
    if (vmread(VMCS_ACTIVITY) == ACTIVITY_HLT) /* few events are allowed there (27.2.2) */
        vmwrite(VMCS_ACTIVITY, ACTIVITY_ACTIVE);
}

/* The image of RFLAGS on the stack has RF set for a fault (18.3.1.1); an entry pushes it as it is
 * (27.6.1.1). */
void vmx_inject_fault(u8 vector)
{
    vmwrite(VMCS_GUEST_RFLAGS, vmread(VMCS_GUEST_RFLAGS) | RFLAGS_RF);
    vmx_inject(EVENT_VALID | EVENT_HARDWARE << 8 | vector);
}

/* In real mode there are no error codes (27.2.1.3). */
void vmx_inject_gp(void)
{
    vmx_inject_fault(GP);
    if (!(vmread(VMCS_GUEST_CR0) & CR0_PE))
        return;
    vmwrite(VMCS_ENTRY_ERROR_CODE, 0);
    vmwrite(VMCS_ENTRY_EVENT, vmread(VMCS_ENTRY_EVENT) | EVENT_ERROR_CODE);
}

/* 28.2.4. Software interrupts and exceptions push RIP plus the instruction's length. An NMI sets
 * blocking by NMI again when it is delivered, so it must not be blocked now. */
static void redeliver(u64 event)
{
    vmx_inject(event & (EVENT_VALID | EVENT_ERROR_CODE | MASK(10, 0)));
    if (event & EVENT_ERROR_CODE)
        vmwrite(VMCS_ENTRY_ERROR_CODE, vmread(VMCS_VECTORING_ERROR_CODE));
    if (EVENT_TYPE(event) >= EVENT_SOFT_INT)
        vmwrite(VMCS_ENTRY_LENGTH, vmread(VMCS_EXIT_LENGTH));
    if (EVENT_TYPE(event) == EVENT_NMI)
        vmwrite(VMCS_INTERRUPTIBILITY, vmread(VMCS_INTERRUPTIBILITY) & ~BLOCKED_BY_NMI);
}

void vmx_after_exit(struct cpu *cpu)
{
    u64 event = vmread(VMCS_VECTORING_EVENT);

    if (cpu->vmx.nmi_held) {
        vmwrite(VMCS_INTERRUPTIBILITY, vmread(VMCS_INTERRUPTIBILITY) & ~BLOCKED_BY_NMI);
        cpu->vmx.nmi_held = false;
    }
    if (event & EVENT_VALID)
        redeliver(event);
}

/* What of `owed` an entry with this event and interruptibility can deliver: one of it, or nothing.
 * A machine check is never blocked, but must not come on top of another event. Pure. */
static u8 deliverable(u8 owed, u64 event, u64 blocked)
{
    if (event & EVENT_VALID)
        return 0;
    if (owed & OWED_MC)
        return OWED_MC;
    return blocked & (SHADOW | BLOCKED_BY_NMI) ? 0 : owed & OWED_NMI;
}

static void deliver(struct cpu *cpu, u8 what)
{
    cpu->vmx.owed &= (u8)~what;
    if (what == OWED_MC)
        vmx_inject(EVENT_VALID | EVENT_HARDWARE << 8 | MC);
    else if (what == OWED_NMI)
        vmx_inject(EVENT_VALID | EVENT_NMI << 8 | NMI);
}

/* One that is delivered blocks NMIs till its handler's IRET, so the next one waits for that. */
static bool is_nmi(u64 event)
{
    return (event & EVENT_VALID) && EVENT_TYPE(event) == EVENT_NMI;
}

static void set_stepping(struct cpu *cpu, bool step)
{
    u64 controls = vmx_primary(cpu);

    if (cpu->vmx.stepping == step)
        return;
    cpu->vmx.stepping = step;
    vmwrite(VMCS_PRIMARY_CONTROLS, step ? controls | PRIMARY_MTF : controls);
}

/* An INIT that is held comes right after the entry, before anything of the guest; if none is, a
 * timer that has run out already brings the core back (26.5.1). */
static void set_timer(struct cpu *cpu)
{
    bool on = cpu->vmx.absorbing;
    u64 controls = vmx.controls.word[WORD_PIN];

    if (cpu->vmx.timer == on)
        return;
    cpu->vmx.timer = on;
    vmwrite(VMCS_PREEMPTION_TIMER, 0);
    vmwrite(VMCS_PIN_CONTROLS, on ? controls | PIN_PREEMPTION_TIMER : controls);
}

void vmx_before_entry(struct cpu *cpu)
{
    u64 blocked, event;

    if (unlikely(cpu->vmx.absorbing || cpu->vmx.timer))
        set_timer(cpu);
    if (likely(!cpu->vmx.arrived && !cpu->vmx.owed && !cpu->vmx.stepping))
        return;
    cpu->vmx.owed |= __atomic_exchange_n(&cpu->vmx.arrived, 0, __ATOMIC_SEQ_CST);
    blocked = vmread(VMCS_INTERRUPTIBILITY);
    event = vmread(VMCS_ENTRY_EVENT);
    deliver(cpu, deliverable(cpu->vmx.owed, event, blocked));
    set_stepping(cpu, cpu->vmx.owed);
    if (!(cpu->vmx.owed & OWED_NMI) || (blocked & BLOCKED_BY_NMI) || is_nmi(event))
        return;
    vmwrite(VMCS_INTERRUPTIBILITY, blocked | BLOCKED_BY_NMI);
    cpu->vmx.nmi_held = true;
}

bool vmx_let_in(struct cpu *cpu, u64 vector)
{
    if (vector != NMI)
        return false;
    cpu->vmx.arrived |= OWED_NMI;
    return true;
}

bool vmx_inject_machine_check(struct cpu *cpu)
{
    cpu->vmx.arrived |= OWED_MC;
    return true;
}
