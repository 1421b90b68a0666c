/* An NMI that comes while NMIs are blocked is held till the guest's IRET (APM 8.2.3), also where it
 * is intercepted. KVM exits for it nevertheless, and again and again, so that the guest never comes
 * to its IRET (svm_nmi_blocked() in its svm.c). So it is taken out of the way, and sent once more
 * when that IRET is over: IRET is intercepted, then stepped. Only where the signal is an NMI, that
 * is, on no processor. */
#include "apic/apic.h"
#include "apic/icr.h"
#include "svm/svm.h"

enum { DB = 1 };

static void intercept(struct cpu *cpu, bool iret, bool db)
{
    struct vmcb *vmcb = cpu_vmcb(cpu);

    vmcb->intercept3 &= ~(u32)INTERCEPT3_IRET;
    vmcb->intercept3 |= iret ? INTERCEPT3_IRET : 0;
    vmcb->exceptions &= ~(u32)BIT(DB);
    vmcb->exceptions |= db ? BIT(DB) : 0;
    vmcb->clean &= ~(u32)CLEAN_INTERCEPTS;
}

/* Several become one, as in hardware. */
void svm_hold_nmi(struct cpu *cpu)
{
    if (svm_take_blocked_nmi(cpu))
        intercept(cpu, true, false);
}

void svm_iret_exit(struct cpu *cpu)
{
    struct vmcb *vmcb = cpu_vmcb(cpu);

    cpu->exits[EXIT_STEP]++;
    cpu->dr6_before_step = vmcb->dr6;
    vmcb->rflags |= RFLAGS_TF; /* IRET loads what the guest has there */
    intercept(cpu, false, true);
}

void svm_stepped(struct cpu *cpu)
{
    struct vmcb *vmcb = cpu_vmcb(cpu);

    cpu->exits[EXIT_STEP]++;
    vmcb->dr6 = cpu->dr6_before_step;
    vmcb->clean &= ~(u32)CLEAN_DRX;
    intercept(cpu, false, false);
    apic_send(cpu->apic_id, ICR_MODE_NMI << 8 | ICR_ASSERT);
}
