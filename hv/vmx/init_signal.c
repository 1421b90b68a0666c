/* INIT and SIPI (SDM volume 3, 26.2 and 24.8). An INIT makes a guest exit and is held while the
 * hypervisor runs; a SIPI is taken only in the activity state wait-for-SIPI, where in turn INIT,
 * NMI and SMI are blocked. */
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

/* One that is still held exits right after the next entry, and is known by this. */
void vmx_absorb_signal(struct cpu *cpu)
{
    cpu->vmx.absorbing = true;
}

/* Nothing is owed to a guest that starts anew. */
static void forget_events(struct cpu *cpu)
{
    cpu->vmx.arrived = cpu->vmx.owed = 0;
    cpu->vmx.nmi_held = false;
    vmwrite(VMCS_ENTRY_EVENT, 0);
    vmwrite(VMCS_INTERRUPTIBILITY, 0);
    vmwrite(VMCS_PENDING_DEBUG, 0);
}

/* Short, since a SIPI that comes before the entry is lost, and Linux sends its last one some 20 us
 * after the INIT: the reset itself is done when the SIPI has come. */
static void wait_for_sipi(struct cpu *cpu)
{
    cpu->state = CORE_WAITING;
    cpu->deaf = true;
    apic_disable();
    forget_events(cpu);
    vmwrite(VMCS_ACTIVITY, ACTIVITY_WAIT_FOR_SIPI);
}

/* The maps of another guest, perhaps, and nothing of what was: INVEPT and INVVPID (29.4.3.3). */
static void begin_life(struct cpu *cpu)
{
    forget_events(cpu);
    cpu->deaf = false;
    cpu->vmx.stepping = false;
    vmx_set_controls(cpu);
    vmx_host_state(cpu);
    vmx_flush_ept();
    vmwrite(VMCS_GUEST_DEBUGCTL, 0);
    vmwrite(VMCS_GUEST_PAT, PAT_RESET);
    vmwrite(VMCS_GUEST_SYSENTER_CS, 0);
    vmwrite(VMCS_GUEST_SYSENTER_ESP, 0);
    vmwrite(VMCS_GUEST_SYSENTER_EIP, 0);
    if (vmx.controls.word[WORD_ENTRY] & ENTRYCTL_LOAD_BND)
        vmwrite(VMCS_GUEST_BNDCFGS, 0);
    if (vmx.global_ctrl) /* as after power-on (20.2.2) */
        vmx_set_global_ctrl(cpu, BIT(pmu.intel.counters) - 1);
}

void vmx_boot(struct cpu *cpu)
{
    begin_life(cpu);
    vmx_boot_state(cpu);
}

void vmx_await_sipi(struct cpu *cpu)
{
    begin_life(cpu);
    vmx_reset_state(cpu, 0);
    cpu->captured = true;
    wait_for_sipi(cpu);
    vmx_before_entry(cpu);
    vmx_enter(cpu);
}

void vmx_init_exit(struct cpu *cpu)
{
    if (cpu->vmx.absorbing) {
        cpu->vmx.absorbing = false;
        return;
    }
    if (kick_attend(cpu)) {
        cpu->exits[EXIT_KICK]++;
        return;
    }
    startup_init_arrived(cpu);
    wait_for_sipi(cpu);
}

/* An INIT of hv/guest/kick.c may have been held all the time. */
void vmx_sipi_exit(struct cpu *cpu)
{
    cpu->exits[EXIT_SIPI]++;
    apic_reset();
    vmx_reset_state(cpu, (u8)vmread(VMCS_QUALIFICATION));
    cpu->state = CORE_RUNNING;
    cpu->deaf = false;
    kick_attend(cpu);
}
