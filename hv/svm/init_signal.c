/* What arrives while GIF is 0, and is let in on purpose.
 *
 * INIT where VM_CR.R_INIT works (APM 15.21.8, 15.28): it exits with the INIT held pending; once GIF
 * is set it turns into #SX instead of resetting the core. SIPIs never exit, so the core waits for
 * mail (hv/guest/startup.c). */
#include "apic/apic.h"
#include "hv.h"
#include "guest/kick.h"
#include "apic/icr.h"
#include "guest/startup.h"
#include "svm/svm.h"

#define NMI_VECTOR 2

bool svm_let_in(struct cpu *cpu, u64 vector)
{
    if (!cpu->window_open)
        return false;
    cpu->window_nmi |= vector == NMI_VECTOR;
    return true;
}

/* Lets what GIF=0 held back in: an INIT becomes #SX, an NMI is noted, an SMI runs. */
static void open_window(struct cpu *cpu)
{
    cpu->window_nmi = false;
    cpu->window_open = true;
    __asm__ volatile("stgi; nop; nop; clgi" : : : "memory");
    cpu->window_open = false;
}

/* The one IRET of the hypervisor. After INIT NMIs are not blocked (APM table 14-1), whatever the
 * guest was doing and whatever the window took; nor are they after one that the guest must not
 * notice. */
static void unblock_nmi(void)
{
    __asm__ volatile("mov %%ss, %%eax; push %%rax; lea 8(%%rsp), %%rax; push %%rax; pushfq;"
                     "mov %%cs, %%eax; push %%rax; lea 1f(%%rip), %%rax; push %%rax; iretq; 1:"
                     :
                     :
                     : "rax", "memory", "cc");
}

/* NMIs are dropped meanwhile, as in wait-for-SIPI. */
static void wait_for_sipi(struct cpu *cpu)
{
    u8 vector = startup_await_sipi(cpu);

    unblock_nmi();
    svm_reset_state(cpu, vector);
}

/* Into the host, which drops it. Returns whether there was one; NMIs are blocked then, as before.
 */
bool svm_take_blocked_nmi(struct cpu *cpu)
{
    unblock_nmi();
    open_window(cpu);
    return cpu->window_nmi;
}

/* The next entry delivers the guest's NMI that the window took. Where that entry may deliver
 * another event, it is sent once more, and comes when the guest's next IRET unblocks NMIs. */
static void pass_on_nmi(struct cpu *cpu)
{
    struct vmcb *vmcb = cpu_vmcb(cpu);
    u64 exit = vmcb->exit_code;
    bool between = exit == VMEXIT_NMI || exit == VMEXIT_SMI || exit == VMEXIT_INIT;

    if (!between || (vmcb->event_inj & EVENT_VALID))
        apic_send(cpu->apic_id, ICR_MODE_NMI << 8 | ICR_ASSERT);
    else
        vmcb->event_inj = EVENT_VALID | EVENT_NMI << 8 | NMI_VECTOR;
}

/* Only where SMM is not locked (HWCR.SMMLOCK; APM 15.13.3): there the handler would run on the
 * guest's side, with its intercepts. QEMU's TCG needs it for firmware that uses SMM. An NMI that
 * came meanwhile may be a signal. */
void svm_smi_exit(struct cpu *cpu)
{
    open_window(cpu);
    if (!cpu->window_nmi)
        return;
    if (!svm.init_exits && kick_attend(cpu))
        cpu->exits[EXIT_KICK]++;
    else
        pass_on_nmi(cpu);
}

/* NMIs are dropped. */
void svm_breathe(struct cpu *cpu)
{
    open_window(cpu);
    if (cpu->window_nmi)
        unblock_nmi();
}

/* Where the signal is an NMI, one of the guest's could not be told from it: there SMIs wait. */
void svm_let_smi_in(struct cpu *cpu)
{
    if (!svm.init_exits)
        return;
    open_window(cpu);
    if (cpu->window_nmi)
        pass_on_nmi(cpu);
}

u32 svm_signal_icr(void)
{
    return (u32)ICR_ASSERT | (svm.init_exits ? ICR_MODE_INIT : ICR_MODE_NMI) << 8;
}

/* One of the guest's at the same moment is lost with it: NMIs do not queue, and this is for
 * emulators. KVM queues two. Where the guest blocks NMIs the window lets none in, and all that were
 * sent are one. */
static void absorb_nmi(struct cpu *cpu)
{
    open_window(cpu);
    if (!cpu->window_nmi && cpu->signalled)
        svm_take_blocked_nmi(cpu);
    else
        while (cpu->window_nmi)
            svm_take_blocked_nmi(cpu);
}

/* An INIT of the guest's that went with it was noted: its exit is this one, or is still to come. */
static void absorb_init(struct cpu *cpu)
{
    open_window(cpu);
    if (cpu->init_sent && cpu_vmcb(cpu)->exit_code != VMEXIT_INIT)
        apic_send(cpu->apic_id, ICR_MODE_INIT << 8 | ICR_ASSERT);
    if (cpu->window_nmi)
        pass_on_nmi(cpu);
}

void svm_absorb_signal(struct cpu *cpu)
{
    if (svm.init_exits)
        absorb_init(cpu);
    else
        absorb_nmi(cpu);
}

/* The NMI is still held, for the window to take. */
void svm_nmi_exit(struct cpu *cpu)
{
    if (kick_attend(cpu)) {
        cpu->exits[EXIT_KICK]++;
        return;
    }
    cpu->exits[EXIT_NMI]++;
    open_window(cpu);
    if (cpu->window_nmi)
        pass_on_nmi(cpu);
    else
        svm_hold_nmi(cpu);
}

/* With GIF clear an INIT would be held for good; QEMU's TCG does not care. What the signal was that
 * brought the core here is let in as well. */
void svm_await_reset(struct cpu *cpu)
{
    cpu->window_open = true;
    __asm__ volatile("stgi" : : : "memory");
    for (;;)
        pause();
}

void svm_await_sipi(struct cpu *cpu)
{
    svm_begin_life(cpu);
    if (!svm.init_exits)
        startup_init_self(cpu);
    cpu->captured = true;
    cpu->state = CORE_WAITING;
    wait_for_sipi(cpu);
    svm_enter(cpu);
}

/* A kick, or the guest's own, or both as one: INITs do not queue. That of an ICR is noted by its
 * sender, so only a chipset's could be lost to a kick. */
void svm_init_exit(struct cpu *cpu)
{
    if (kick_attend(cpu)) {
        cpu->exits[EXIT_KICK]++;
        if (!cpu->init_sent)
            return;
    }
    startup_init_arrived(cpu);
    apic_reset();
    apic_note(cpu);
    wait_for_sipi(cpu);
}
