/* cost.efi: what one round trip costs, in TSC ticks that the guest sees. Where the TSC counts
 * executed instructions times 2^shift exactly (QEMU's -icount; bed P with one processor, shift 0),
 * load option `shift=N` says so. One line per operation:
 *
 *     cost: NAME ticks=N instructions=N loop=N.NN
 *
 * The first two are the least of 4096 differences between two RDTSC around the operation. Those
 * instructions between them are counted that a bare machine executes too: one move that saves the
 * first reading, the loading of the operation's registers, the operation, the second RDTSC. So bare
 * CPUID measures 5 and bare WRMSR 6. The third is instructions in a loop of 4096, the loop itself
 * taken off: bare CPUID is 3. Bochs' TSC moves by several instructions at a time, so that there
 * only this one means something. */
#include "apic.h"
#include "cede.h"
#include "clock.h"
#include "cpu.h"
#include "fault.h"
#include "machine.h"
#include "perfmon.h"
#include "report.h"
#include "smp.h"

enum {
    ROUNDS = 4096,
    IPI_VECTOR = 0x90,
};

/* USR, OS, EN and an event: branches and instructions are in the allow-list, 0xFF29 in none. */
#define SELECTOR_BRANCHES     (is_amd ? 0x4300c2U : 0x4300c4U)
#define SELECTOR_INSTRUCTIONS 0x4300c0U
#define SELECTOR_DENIED       0x43ff29U

static u64 shift, empty_loop;

static void show(const char *name, u32 ticks, u64 loop)
{
    u64 hundredths = (((loop - empty_loop) >> shift) * 100 + ROUNDS / 2) / ROUNDS;
    say("cost: %s ticks=%u instructions=%u loop=%lu.%02lu", name, ticks, ticks >> shift,
        hundredths / 100, hundredths % 100);
}

#define CLOBBERS "rbx", "rcx", "rdx", "r8", "r10", "memory", "cc"

/* Both readings are of the low half: a round trip is far shorter than 2^32 ticks. */
#define LEAST(text, ...)                                                                  \
    ({                                                                                    \
        u32 least_ = ~0U;                                                                 \
        for (u32 round_ = 0; round_ < ROUNDS; round_++) {                                 \
            u32 ticks_;                                                                   \
            __asm__ volatile("rdtsc; mov %%eax, %%r8d\n" text "\nrdtsc; sub %%r8d, %%eax" \
                             : "=&a"(ticks_)                                              \
                             : __VA_ARGS__                                                \
                             : CLOBBERS);                                                 \
            least_ = MIN(least_, ticks_);                                                 \
        }                                                                                 \
        least_;                                                                           \
    })

#define LOOP(text, ...)                                                         \
    ({                                                                          \
        u64 start_ = rdtsc();                                                   \
        u32 unused_;                                                            \
        __asm__ volatile("mov $4096, %%r10d\n91: " text "\ndec %%r10d; jnz 91b" \
                         : "=&a"(unused_)                                       \
                         : __VA_ARGS__                                          \
                         : CLOBBERS);                                           \
        rdtsc() - start_;                                                       \
    })

#define MEASURE(name, text, ...) show(name, LEAST(text, __VA_ARGS__), LOOP(text, __VA_ARGS__))

static void processor(void)
{
    empty_loop = LOOP("", "D"(0));
    MEASURE("empty", "", "D"(0));
    MEASURE("cpuid-0", "xor %%eax, %%eax; xor %%ecx, %%ecx; cpuid", "D"(0));
    MEASURE("cpuid-1", "mov $1, %%eax; xor %%ecx, %%ecx; cpuid", "D"(0));
    MEASURE("cpuid-40000000", "mov $0x40000000, %%eax; xor %%ecx, %%ecx; cpuid", "D"(0));
    MEASURE("rdtsc", "rdtsc", "D"(0));
    MEASURE("rdmsr-efer", "mov $0xc0000080, %%ecx; rdmsr", "D"(0));
    MEASURE("wrmsr-lstar", "mov $0xc0000082, %%ecx; xor %%eax, %%eax; xor %%edx, %%edx; wrmsr",
            "D"(0));
}

#define WRMSR                    "mov %[msr], %%ecx; mov %[low], %%eax; mov %[high], %%edx; wrmsr"
#define MSR(number, low_, high_) [msr] "r"((u32)(number)), [low] "D"(low_), [high] "S"(high_)

static void select_each(u32 first, u32 end, u32 value)
{
    for (u32 i = first; i < end; i++) {
        wrmsr(msr_selector(i), value);
    }
}

/* A running counter of branches is no emulated instruction's business. One of instructions is: each
 * is credited to it. */
static void selectors(void)
{
    MEASURE("selector-allowed", WRMSR, MSR(msr_selector(0), SELECTOR_BRANCHES, 0));
    MEASURE("selector-denied", WRMSR, MSR(msr_selector(0), SELECTOR_DENIED, 0));
    MEASURE("selector-zero", WRMSR, MSR(msr_selector(0), 0, 0));
    MEASURE("selector-read", "mov %%edi, %%ecx; rdmsr", "D"(msr_selector(0)));
    MEASURE("counter-write", WRMSR, MSR(msr_counter(0), 0, 0));
    MEASURE("counter-read", "mov %%edi, %%ecx; rdmsr", "D"(msr_counter(0)));
    wrmsr(msr_selector(1), SELECTOR_INSTRUCTIONS);
    MEASURE("credited-cpuid-0", "xor %%eax, %%eax; xor %%ecx, %%ecx; cpuid", "D"(0));
    MEASURE("credited-selector-allowed", WRMSR, MSR(msr_selector(0), SELECTOR_BRANCHES, 0));
    MEASURE("credited-selector-denied", WRMSR, MSR(msr_selector(0), SELECTOR_DENIED, 0));
    select_each(0, 2, 0);
}

/* Two writes each: what counts is stopped and goes on, as perf does it where nothing stops all
 * counters at once. */
static void stop_and_go(void)
{
    wrmsr(msr_selector(1), SELECTOR_INSTRUCTIONS);
    MEASURE("credited-stop-go",
            "mov %[msr], %%ecx; mov %[low], %%eax; xor %%edx, %%edx; wrmsr; "
            "bts $22, %%eax; wrmsr",
            MSR(msr_selector(0), SELECTOR_INSTRUCTIONS & ~SELECT_EN, 0));
    select_each(0, 2, 0);
}

/* Of instructions, all of them. */
static void all_counters(const struct perfmon *p)
{
    u32 counters = is_amd ? p->counters : cpuid(0xa, 0).eax >> 8 & 0xff;
    u64 control = rdmsr(p->global_ctrl);

    select_each(0, counters, SELECTOR_INSTRUCTIONS);
    if (p->fixed) {
        wrmsr(MSR_FIXED_CTR_CTRL, 0x33);
        wrmsr(p->global_ctrl, control | 3ULL << 32);
    }
    MEASURE("all-cpuid-0", "xor %%eax, %%eax; xor %%ecx, %%ecx; cpuid", "D"(0));
    MEASURE("all-selector-allowed", WRMSR, MSR(msr_selector(0), SELECTOR_INSTRUCTIONS, 0));
    wrmsr(p->global_ctrl, 0);
    MEASURE("stopped-selector-allowed", WRMSR, MSR(msr_selector(0), SELECTOR_BRANCHES, 0));
    select_each(0, counters, 0);
    if (p->fixed) {
        wrmsr(MSR_FIXED_CTR_CTRL, 0);
    }
    wrmsr(p->global_ctrl, control);
}

static void amd_selectors(void)
{
    MEASURE("selector-allowed-alias", WRMSR, MSR(MSR_PERFEVTSEL0, SELECTOR_BRANCHES, 0));
    MEASURE("selector-denied-merge", WRMSR, MSR(msr_selector(0), 0x4300ffU, 0xfU));
    wrmsr(msr_selector(0), 0);
}

static void xapic(u32 target)
{
    u64 page = APIC_PAGE;
    xapic_write(APIC_ICR_HIGH, target << 24);
    MEASURE("xapic-icr-self", "movl $0x44090, 0x300(%%rdi)", "D"(page));
    MEASURE("xapic-icr-other", "movl $0x4090, 0x300(%%rdi)", "D"(page));
    MEASURE("xapic-eoi", "movl $0, 0xb0(%%rdi)", "D"(page));
    MEASURE("xapic-tpr", "movl $0, 0x80(%%rdi)", "D"(page));
    MEASURE("xapic-timer", "movl $0, 0x380(%%rdi)", "D"(page));
    MEASURE("xapic-read", "movl 0x20(%%rdi), %%eax", "D"(page));
}

static void x2apic(u32 target)
{
    MEASURE("x2apic-icr-self", WRMSR, MSR(MSR_X2APIC_ICR, 0x44000 | IPI_VECTOR, 0));
    MEASURE("x2apic-icr-other", WRMSR, MSR(MSR_X2APIC_ICR, 0x4000 | IPI_VECTOR, target));
    MEASURE("x2apic-eoi", WRMSR, MSR(MSR_X2APIC_EOI, 0, 0));
    MEASURE("x2apic-tpr", WRMSR, MSR(0x808, 0, 0));
}

static void hypercalls(void)
{
    if (under_cede() && is_amd) {
        MEASURE("hypercall-version",
                "mov %[sig], %%eax; xor %%ecx, %%ecx; vmmcall", [sig] "i"(HYPERCALL_SIGNATURE));
    } else if (under_cede()) {
        MEASURE("hypercall-version",
                "mov %[sig], %%eax; xor %%ecx, %%ecx; vmcall", [sig] "i"(HYPERCALL_SIGNATURE));
    }
}

/* The other core waits with interrupts off: what arrives stays requested, and it executes nothing.
 */
static void sleep_off(u64 unused)
{
    (void)unused;
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

static u32 other_core(void)
{
    static const struct start plain;
    if (core_count < 2 || !core_start(cores[1], &plain)) {
        return cores[0]->apic_id;
    }
    core_begin(cores[1], sleep_off, 0);
    delay_us(1000);
    return cores[1]->apic_id;
}

static void cost(u64 unused)
{
    (void)unused;
    shift = option_number("shift", 0);
    machine_leave_firmware();
    u32 target = other_core();
    say("info: %u cores, Cede %s, shift %lu", core_count, under_cede() ? "is here" : "is not here",
        shift);
    processor();
    selectors();
    stop_and_go();
    if (perfmon_here()) {
        all_counters(perfmon_here());
    }
    if (is_amd) {
        amd_selectors();
    }
    hypercalls();
    if (!apic_is_x2()) {
        xapic(target);
    }
    if (cpuid(1, 0).ecx & BIT(21)) {
        wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_EXTD);
        x2apic(target);
    }
    irq_window();
    test_begin("cost");
    expect(cores[0]->count[IPI_VECTOR], "the interrupts sent to itself never arrived");
    test_end();
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, cost);
}
