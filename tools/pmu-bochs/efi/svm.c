/* The PMU and an SVM guest: GuestOnly and HostOnly over many entries and exits, PMIs. */
#include "apic.h"
#include "core.h"
#include "machine.h"
#include "probe.h"

#define PERF_CTL      0xc0010200U
#define PERF_CTR      0xc0010201U
#define GLOBAL_STATUS 0xc0000300U
#define GLOBAL_CTL    0xc0000301U
#define STATUS_CLR    0xc0000302U
#define GUEST_ONLY    BIT(40)
#define HOST_ONLY     BIT(41)

enum { ROUNDS = 10, GUEST_INSTRUCTIONS = 100, EXIT_VMMCALL = 0x81 };

void svm_enter(u64 vmcb);
extern const char svm_guest_counted[], svm_left[];

static u8 vmcb[4096] __attribute__((aligned(4096)));
static u8 host_save[4096] __attribute__((aligned(4096)));

static void put16(u32 offset, u16 value)
{
    *(volatile u16 *)(vmcb + offset) = value;
}

static void put32(u32 offset, u32 value)
{
    *(volatile u32 *)(vmcb + offset) = value;
}

static void put64(u32 offset, u64 value)
{
    *(volatile u64 *)(vmcb + offset) = value;
}

static void segment(u32 offset, u16 selector, u16 attributes, u32 limit, u64 base)
{
    put16(offset, selector);
    put16(offset + 2, attributes);
    put32(offset + 4, limit);
    put64(offset + 8, base);
}

/* APM 2, appendix B. The guest is in the host's own segments and address space. */
static void build(void)
{
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) gdt, idt;
    struct core *core = this_core();
    __asm__ volatile("sgdt %0; sidt %1" : "=m"(gdt), "=m"(idt));
    put32(0x10, 1 | 2); /* VMRUN, VMMCALL */
    put32(0x58, 1);     /* ASID */
    for (u32 k = 0; k < 4; k++) {
        segment(0x400 + 16 * k, k == 1 ? SEL_CODE64 : SEL_DATA, k == 1 ? 0xa9b : 0xc93, ~0U, 0);
    }
    segment(0x460, 0, 0, gdt.limit, gdt.base);
    segment(0x480, 0, 0, idt.limit, idt.base);
    segment(0x490, SEL_TSS, 0x8b, sizeof(struct tss) - 1, (u64)&core->tss);
    put64(0x4d0, rdmsr(MSR_EFER));
    put64(0x548, READ_CR(4));
    put64(0x550, READ_CR(3));
    put64(0x558, READ_CR(0));
    put64(0x560, 0x400);
    put64(0x568, 0xffff0ff0);
    put64(0x570, 2);
    put64(0x5d8, (u64)core + CORE_USER_TOP - 512);
    put64(0x668, 0x0007040600070406);
}

static void filters(void)
{
    static const u64 filter[] = {GUEST_ONLY, HOST_ONLY, GUEST_ONLY | HOST_ONLY, 0};
    u64 count[4];
    test_begin("svm-guest-only-host-only");
    wrmsr(GLOBAL_CTL, 0);
    for (u32 k = 0; k < 4; k++) {
        wrmsr(PERF_CTR + 2 * k, 0);
        wrmsr(PERF_CTL + 2 * k, SELECT_ALL | 0xc0 | filter[k]);
    }
    wrmsr(PERF_CTR + 8, 0);
    wrmsr(PERF_CTL + 8, SELECT_ALL | 0xc2 | GUEST_ONLY);
    wrmsr(GLOBAL_CTL, 0x1f);
    for (u32 round = 0; round < ROUNDS; round++) {
        put64(0x578, (u64)svm_guest_counted);
        svm_enter((u64)vmcb);
        expect_equal("exit code", *(volatile u64 *)(vmcb + 0x70), EXIT_VMMCALL);
    }
    wrmsr(GLOBAL_CTL, 0);
    for (u32 k = 0; k < 4; k++) {
        count[k] = rdmsr(PERF_CTR + 2 * k);
        wrmsr(PERF_CTL + 2 * k, 0);
    }
    wrmsr(PERF_CTL + 8, 0);
    expect_equal("branches of the guest", rdmsr(PERF_CTR + 8), option_word("vmrun") ? ROUNDS : 0);
    expect_equal("guest only", count[0], ROUNDS * GUEST_INSTRUCTIONS);
    expect(count[1] > ROUNDS * 10, "host only: %lu", count[1]);
    expect_equal("both bits", count[2], count[0] + count[1]);
    expect_equal("neither", count[3], count[0] + count[1]);
    test_end();
}

static void r_init(void)
{
    u64 was;
    test_begin("svm-vm-cr");
    expect(rdmsr_safe(MSR_VM_CR, &was) == NO_FAULT, "VM_CR faults");
    wrmsr(MSR_VM_CR, was | 2);
    expect_equal("VM_CR.R_INIT", rdmsr(MSR_VM_CR) & 2, 2);
    wrmsr(MSR_VM_CR, was);
    test_end();
}

static struct {
    u32 hits;
    u64 rip;
} nmi;

static void on_nmi(struct frame *frame)
{
    nmi.hits++;
    nmi.rip = frame->rip;
    wrmsr(STATUS_CLR, rdmsr(GLOBAL_STATUS));
}

/* Runs the guest with an NMI due after `count` of its instructions. */
static void run_into_pmi(u64 count)
{
    wrmsr(PERF_CTL, 0);
    wrmsr(PERF_CTR, -count);
    wrmsr(GLOBAL_CTL, 1);
    wrmsr(PERF_CTL, SELECT_ALL | SELECT_INT | GUEST_ONLY | 0xc0);
    nmi.hits = 0;
    this_core()->handler[VECTOR_NMI] = on_nmi;
    apic_enable();
    apic_write(APIC_LVT_PMC, 4 << 8);
    put64(0x578, (u64)svm_guest_counted);
    svm_enter((u64)vmcb);
    this_core()->handler[VECTOR_NMI] = NULL;
    wrmsr(PERF_CTL, 0);
    expect_equal("NMIs", nmi.hits, 1);
    expect_equal("exit code", *(volatile u64 *)(vmcb + 0x70), EXIT_VMMCALL);
}

/* In the guest without an exit; with a skid that reaches past the exit, after STGI. */
static void pmi_in_guest(void)
{
    u64 skid = option_number("skid", 0);
    test_begin("svm-pmi-in-the-guest");
    run_into_pmi(50);
    expect_equal("where it came", nmi.rip - (u64)svm_guest_counted, 50 + skid);
    test_end();
    if (skid > 1) {
        test_begin("svm-pmi-while-gif-is-0");
        run_into_pmi(GUEST_INSTRUCTIONS - (skid - 1));
        expect_equal("where it came", nmi.rip - (u64)svm_left, 0);
        test_end();
    }
}

void amd_svm_probes(void)
{
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
    wrmsr(MSR_VM_HSAVE_PA, (u64)host_save);
    build();
    filters();
    r_init();
    pmi_in_guest();
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~(u64)EFER_SVME);
}
