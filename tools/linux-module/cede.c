// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause-Patent
/* cede.ko: /proc/cede shows what Cede has done to this machine.
 *
 *     version 0.1.0
 *     memory 1851392 bytes kept, of these 65536 page tables
 *     calls 64
 *     core 0 apic 0 running denials=0 cpuid=1234 ipi=567 ...
 *
 * Reading it costs Cede hypercalls, on the core that reads; `calls` says how many this module had
 * made before. Where Cede is not, the module does not load (ENODEV). */
#include <linux/atomic.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <asm/asm.h>
#include <asm/processor.h>

#define CEDE_TYPES_H                 /* the kernel has these types already, */
#define core_state   cede_core_state /* and a struct of this name */
#include <hypercall.h>
#undef core_state

#define REASON_NAME(id, name, why) [EXIT_##id] = name,
static const char *const reasons[EXIT_REASONS] = {EXIT_TABLE(REASON_NAME)};

static const char *const states[] = {
    [CORE_FIRMWARE] = "firmware", [CORE_RUNNING] = "running",       [CORE_WAITING] = "waiting",
    [CORE_STOPPED] = "stopped",   [CORE_MANAGEMENT] = "management",
};

static atomic64_t calls;

/* Without Cede both instructions raise #UD; the fix-up leaves HYPERCALL_SIGNATURE where the answer
 * would be. */
static u64 hypercall(u32 call, u32 core, u32 item)
{
    u64 answer = HYPERCALL_SIGNATURE;

    atomic64_inc(&calls);
    if (boot_cpu_data.x86_vendor == X86_VENDOR_INTEL)
        asm volatile("1: vmcall\n2:\n" _ASM_EXTABLE(1b, 2b)
                     : "+a"(answer)
                     : "c"(call), "d"(core), "b"(item)
                     : "memory");
    else
        asm volatile("1: vmmcall\n2:\n" _ASM_EXTABLE(1b, 2b)
                     : "+a"(answer)
                     : "c"(call), "d"(core), "b"(item)
                     : "memory");
    return answer;
}

static void show_denials(struct seq_file *file, u32 core)
{
    u64 field[DENIAL_FIELDS];
    u32 row, i;

    for (row = 0;; row++) {
        for (i = 0; i < DENIAL_FIELDS; i++)
            field[i] = hypercall(HYPERCALL_DENIAL, core, row * DENIAL_FIELDS + i);
        if (field[DENIAL_COUNT] == HYPERCALL_ERROR)
            return;
        if (field[DENIAL_COUNT])
            seq_printf(file,
                       "denied core=%u msr=%#llx value=%#llx count=%llu first=%llu last=%llu "
                       "rip=%#llx cr3=%#llx\n",
                       core, field[DENIAL_MSR], field[DENIAL_VALUE], field[DENIAL_COUNT],
                       field[DENIAL_FIRST], field[DENIAL_LAST], field[DENIAL_RIP],
                       field[DENIAL_CR3]);
    }
}

static void show_core(struct seq_file *file, u32 core)
{
    u64 identity = hypercall(HYPERCALL_CORE, core, 0);
    u32 state = (identity >> 32) & 0xff;
    u32 reason;

    seq_printf(file, "core %u apic %u %s denials=%llu", core, (u32)identity,
               state < ARRAY_SIZE(states) ? states[state] : "unknown",
               hypercall(HYPERCALL_DENIALS, core, 0));
    for (reason = 0; reason < EXIT_REASONS; reason++)
        seq_printf(file, " %s=%llu", reasons[reason], hypercall(HYPERCALL_EXITS, core, reason));
    seq_putc(file, '\n');
}

static int show(struct seq_file *file, void *unused)
{
    u64 made = atomic64_read(&calls);
    u32 version = hypercall(HYPERCALL_VERSION, 0, 0);
    u32 cores = hypercall(HYPERCALL_CORES, 0, 0);
    u32 core;

    seq_printf(file, "version %u.%u.%u\n", version >> 16 & 0xff, version >> 8 & 0xff,
               version & 0xff);
    seq_printf(file, "memory %llu bytes kept, of these %llu page tables\n",
               hypercall(HYPERCALL_MEMORY, 0, 0), hypercall(HYPERCALL_MEMORY, 0, 1));
    seq_printf(file, "calls %llu\n", made);
    for (core = 0; core < cores; core++)
        show_core(file, core);
    for (core = 0; core < cores; core++)
        show_denials(file, core);
    return 0;
}

static int __init cede_init(void)
{
    u64 version = hypercall(HYPERCALL_VERSION, 0, 0);

    if (version == HYPERCALL_SIGNATURE || version == HYPERCALL_ERROR)
        return -ENODEV;
    return proc_create_single("cede", 0444, NULL, show) ? 0 : -ENOMEM;
}

static void __exit cede_exit(void)
{
    remove_proc_entry("cede", NULL);
}

module_init(cede_init);
module_exit(cede_exit);
MODULE_LICENSE("Dual BSD/GPL");
MODULE_DESCRIPTION("What the Cede hypervisor has done to this machine");
