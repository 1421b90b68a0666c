/* What a hypervisor emulates, in the middle of a counted region: each is one instruction and one
 * cycle, as bare. And what must not exit. */
#include "apic.h"
#include "exact.h"
#include "fault.h"
#include "machine.h"

enum { TURNS = 100 };

static u64 efer, apic_base;

static u32 spare_selector(void)
{
    return perfmon_selector(exact_pmu, FIRST_FREE_COUNTER);
}

static u32 spare_counter(void)
{
    return perfmon_counter(exact_pmu, FIRST_FREE_COUNTER);
}

static void leaves(void)
{
    for (u32 i = 0; i < TURNS; i++) {
        cpuid(0, 0);
        cpuid(1, 0);
        cpuid(7, 0);
        cpuid(0xd, 1);
        cpuid(0x40000000, 0);
        cpuid(0x80000001, 0);
    }
}

/* A guess at how far an exit reaches: neighbours of all kinds. */
static void among_branches(void)
{
    u64 turns = TURNS;
    __asm__ volatile("1: xor %%eax, %%eax; cpuid; jmp 2f; 2: mov $1, %%eax; cpuid; call 3f; dec "
                     "%0; jnz 1b; jmp 4f"
                     "; 3: xor %%eax, %%eax; cpuid; ret; 4:"
                     : "+r"(turns)::"rax", "rbx", "rcx", "rdx", "cc", "memory");
}

static void in_shadow(void)
{
    for (u32 i = 0; i < TURNS; i++) {
        __asm__ volatile(
            "mov %%ss, %%ecx; xor %%eax, %%eax; mov %%ecx, %%ss; cpuid; sti; cpuid; cli" ::
                : "rax", "rbx", "rcx", "rdx", "memory");
    }
}

static void selector_loop(u64 value)
{
    u32 msr = spare_selector();
    for (u32 i = 0; i < TURNS; i++) {
        wrmsr(msr, value);
        wrmsr(msr, 0);
    }
}

static void selector_allowed(void)
{
    selector_loop(exact_pmu->event[INSTRUCTIONS] | SELECT_USR | SELECT_OS | SELECT_EN);
}

static void selector_denied(void)
{
    selector_loop(PERFMON_DENIED | SELECT_USR | SELECT_OS | SELECT_EN);
}

static void selector_disabled(void)
{
    selector_loop(exact_pmu->event[BRANCHES] | SELECT_OS);
}

static void selector_read(void)
{
    u32 msr = spare_selector();
    wrmsr(msr, PERFMON_DENIED | SELECT_OS);
    for (u32 i = 0; i < TURNS; i++) {
        exact_result += rdmsr(msr);
    }
    wrmsr(msr, 0);
}

/* A profiler's life: another counter set up, run, read, stopped. */
static void second_counter(void)
{
    u32 selector = spare_selector(), counter = spare_counter();
    for (u32 i = 0; i < TURNS; i++) {
        wrmsr(counter, 0);
        wrmsr(selector, exact_pmu->event[INSTRUCTIONS] | SELECT_OS | SELECT_EN);
        cpuid(0, 0);
        wrmsr(selector, exact_pmu->event[INSTRUCTIONS] | SELECT_OS);
        exact_result = exact_result * 31 + rdmsr(counter);
    }
    wrmsr(selector, 0);
}

static void counters(void)
{
    u32 counter = spare_counter();
    for (u32 i = 0; i < TURNS; i++) {
        wrmsr(counter, i);
        exact_result += rdmsr(counter);
        exact_result += rdmsr(exact_pmu->global_status);
        exact_result += rdmsr(exact_pmu->global_ctrl);
    }
}

static void trapped_msrs(void)
{
    for (u32 i = 0; i < TURNS; i++) {
        rdmsr(MSR_EFER);
        wrmsr(MSR_EFER, efer);
        rdmsr(MSR_APIC_BASE);
        wrmsr(MSR_APIC_BASE, apic_base);
    }
}

static void read_msrs(void)
{
    efer = rdmsr(MSR_EFER);
    apic_base = rdmsr(MSR_APIC_BASE);
}

static void untrapped_msrs(void)
{
    for (u32 i = 0; i < TURNS; i++) {
        wrmsr(MSR_LSTAR, 0x1234);
        wrmsr(MSR_KERNEL_GS, 0x2000);
        rdmsr(MSR_FS_BASE);
        rdmsr(MSR_PAT);
        rdmsr(MSR_TSC);
    }
}

static void ports(void)
{
    for (u32 i = 0; i < TURNS; i++) {
        outb(0x80, 0x55);
        inb(0x80);
        inl(0xcf8);
        inl(machine.pm_timer);
        inw(machine.pm1a_control);
    }
}

/* String I/O: one instruction, whatever its count. */
static void string_ports(void)
{
    static u8 bytes[64];
    void *to = bytes;
    u64 n = sizeof bytes;
    __asm__ volatile("rep insb" : "+D"(to), "+c"(n) : "d"(0x80) : "memory");
}

static void xsetbv(void)
{
    WRITE_CR(4, READ_CR(4) | CR4_OSXSAVE);
    for (u32 i = 0; i < TURNS; i++) {
        u32 low, high;
        __asm__ volatile("xgetbv; xsetbv" : "=a"(low), "=d"(high) : "c"(0));
    }
    WRITE_CR(4, READ_CR(4) & ~(u64)CR4_OSXSAVE);
}

static void apic_registers(void)
{
    for (u32 i = 0; i < TURNS; i++) {
        apic_write(APIC_TPR, 0x10);
        exact_result += apic_read(APIC_TPR);
        apic_write(APIC_TPR, 0);
        apic_write(APIC_EOI, 0);
        apic_write(APIC_LVT_TIMER, APIC_LVT_MASK | 0xfe);
    }
}

static const struct workload list[] = {
    {"cpuid", leaves, NULL, 0, 12 * TURNS},
    {"cpuid-among-branches", among_branches, NULL, 0, 11 * TURNS},
    {"cpuid-in-interrupt-shadow", in_shadow, NULL, 0, 7 * TURNS},
    {"selector-writes-allowed", selector_allowed, NULL, 0, 4 * TURNS},
    {"selector-writes-denied", selector_denied, NULL, 0, 4 * TURNS},
    {"selector-writes-disabled", selector_disabled, NULL, 0, 4 * TURNS},
    {"selector-reads", selector_read, NULL, 0, 3 * TURNS},
    {"second-counter", second_counter, NULL, 0, 15 * TURNS},
    {"counters-and-globals", counters, NULL, 0, 10 * TURNS},
    {"trapped-msrs", trapped_msrs, read_msrs, 0, 8 * TURNS},
    {"untrapped-msrs", untrapped_msrs, NULL, 0, 8 * TURNS},
    {"ports", ports, NULL, 0, 10 * TURNS},
    {"string-ports", string_ports, NULL, 0, 3},
    {"xsetbv", xsetbv, NULL, 0, 3 * TURNS},
    {"apic-registers", apic_registers, NULL, 0, 10 * TURNS},
};

const struct workloads exit_workloads = {list, COUNT(list)};
