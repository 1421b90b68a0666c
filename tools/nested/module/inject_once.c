// SPDX-License-Identifier: GPL-2.0
/*
 * Ends each entry that injects an interrupt at once, by an interrupt to this processor.
 *
 * QEMU's TCG (10.0.13; in its repository, too, at 3b50303f9563) may deliver such an interrupt
 * twice: helper_vmrun delivers it, but leaves its vector in exception_index, and should the
 * emulator want the processor's thread before anything else has reset that (a #VMEXIT does), it
 * takes it for an exception that is to be raised. The second one comes with IF=0.
 */
#include <linux/kprobes.h>
#include <linux/kvm_host.h>
#include <linux/module.h>

#include <asm/svm.h>

static bool injected[256]; /* by virtual CPU, of the one machine */

static bool *of(struct pt_regs *arguments)
{
    return &injected[((struct kvm_vcpu *)arguments->di)->vcpu_id % ARRAY_SIZE(injected)];
}

static int inject(struct kprobe *probe, struct pt_regs *regs)
{
    *of(regs) = true;
    return 0;
}

static int inject_nested(struct kprobe *probe, struct pt_regs *regs)
{
    const struct vmcb *vmcb12 = (const struct vmcb *)regs->dx;
    u32 event = vmcb12->control.event_inj;

    if ((event & SVM_EVTINJ_VALID) && (event & SVM_EVTINJ_TYPE_MASK) == SVM_EVTINJ_TYPE_INTR)
        *of(regs) = true;
    return 0;
}

/* Interrupts are off here, so what is sent arrives after the entry. */
static int enter(struct kprobe *probe, struct pt_regs *regs)
{
    if (*of(regs)) {
        *of(regs) = false;
        smp_ops.smp_send_reschedule(smp_processor_id());
    }
    return 0;
}

static struct kprobe probes[] = {
    {.symbol_name = "svm_inject_irq", .pre_handler = inject},
    {.symbol_name = "enter_svm_guest_mode", .pre_handler = inject_nested},
    {.symbol_name = "svm_vcpu_run", .pre_handler = enter},
};

static int __init start(void)
{
    struct kprobe *all[] = {&probes[0], &probes[1], &probes[2]};

    return register_kprobes(all, ARRAY_SIZE(all));
}
module_init(start);
MODULE_LICENSE("GPL");
