/* INIT and SIPI (SDM volume 3, 26.2 and 24.8). An INIT makes a guest exit and is held while the
 * hypervisor runs. A SIPI would be taken only in the activity state wait-for-SIPI, which comes too
 * late for one that follows its INIT at once, and in which SMIs are blocked: the core waits here,
 * for mail (hv/guest/startup.c). */
#include "apic/apic.h"
#include "base/asm.h"
#include "hv.h"
#include "guest/kick.h"
#include "counters/pmu.h"
#include "apic/icr.h"
#include "guest/startup.h"
#include "vmx/vmx.h"

u32 vmx_signal_icr(void)
{
    return (u32)ICR_ASSERT | ICR_MODE_INIT << 8;
}

/* One that is held exits right after the next entry, and is known by this. */
void vmx_absorb_signal(struct cpu *cpu)
{
    cpu->vmx.absorbing = true;
}

/* Nothing is owed to a guest that starts anew. */
static void forget_events(struct cpu *cpu)
{
    cpu->vmx.arrived = cpu->vmx.owed = 0;
    cpu->vmx.nmi_held = false;
}

/* NMIs that came meanwhile are dropped, as in wait-for-SIPI. */
static void wait_for_sipi(struct cpu *cpu)
{
    u8 vector = startup_await_sipi(cpu);

    forget_events(cpu);
    vmx_reset_state(cpu, vector);
}

/* The maps of another guest, perhaps, and nothing of what was: INVEPT and INVVPID (29.4.3.3). */
static void begin_life(struct cpu *cpu)
{
    forget_events(cpu);
    cpu->vmx.stepping = false;
    vmx_set_controls(cpu);
    vmx_host_state(cpu);
    vmx_flush_ept();
    vmwrite(VMCS_GUEST_DEBUGCTL, 0);
    vmx_lbr_reset();
    vmwrite(VMCS_GUEST_PAT, PAT_RESET);
    vmwrite(VMCS_GUEST_SYSENTER_CS, 0);
    vmwrite(VMCS_GUEST_SYSENTER_ESP, 0);
    vmwrite(VMCS_GUEST_SYSENTER_EIP, 0);
    if (vmx.controls.word[WORD_ENTRY] & ENTRYCTL_LOAD_BND)
        vmwrite(VMCS_GUEST_BNDCFGS, 0);
    if (vmx.global_ctrl) /* as after power-on (20.2.2) */
        vmx_set_global_ctrl(cpu, cpu->pmu.intel.caps.general);
}

void vmx_boot(struct cpu *cpu)
{
    begin_life(cpu);
    vmx_boot_state(cpu);
}

void vmx_await_sipi(struct cpu *cpu)
{
    begin_life(cpu);
    cpu->captured = true;
    cpu->state = CORE_WAITING;
    wait_for_sipi(cpu);
    vmx_before_entry(cpu);
    vmx_enter(cpu);
}

/* A kick, or the guest's own, or both as one: INITs do not queue. That of a watched ICR is noted by
 * its sender, so another could be lost to a kick. Of a single signal, which this exit is, nothing
 * is held, so that an INIT of the guest's soon afterwards is not absorbed for it. */
static bool is_own_init(struct cpu *cpu)
{
    if (cpu->vmx.absorbing) {
        cpu->vmx.absorbing = false;
        return cpu->init_sent;
    }
    if (!kick_answer(cpu))
        return true;
    cpu->exits[EXIT_KICK]++;
    cpu->vmx.absorbing = cpu->signalled > 1 || cpu->init_sent;
    kick_follow(cpu); /* its stops have signals of their own */
    return cpu->init_sent;
}

void vmx_init_exit(struct cpu *cpu)
{
    if (!is_own_init(cpu))
        return;
    startup_init_arrived(cpu);
    apic_reset();
    apic_note(cpu);
    wait_for_sipi(cpu);
}
