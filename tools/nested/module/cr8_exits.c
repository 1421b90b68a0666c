// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps KVM's intercept of CR8 writes on, as it is when a virtual CPU is made.
 *
 * KVM drops it while no interrupt is held back by the task priority. But QEMU's TCG, up to 11.1 at
 * least, aborts when a guest writes CR8 with V_IRQ pending in its VMCB (helper_write_crN calls
 * cpu_interrupt without the lock), and OVMF writes CR8 at the end of each interrupt. With the
 * intercept such a write is KVM's, as on hardware at any busy time.
 */
#include <linux/kprobes.h>
#include <linux/module.h>

static void leave_intercept(void)
{
}

static int instead(struct kprobe *probe, struct pt_regs *regs)
{
    regs->ip = (unsigned long)leave_intercept;
    return 1;
}

/* Without a post-handler a probe at a function's entry may not change IP. */
static void never_runs(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}

static struct kprobe probe = {
    .symbol_name = "svm_update_cr8_intercept",
    .pre_handler = instead,
    .post_handler = never_runs,
};

static int __init start(void)
{
    return register_kprobe(&probe);
}
module_init(start);
MODULE_LICENSE("GPL");
