/* VM entry and exit and the PMU: what is loaded, saved and checked, and that nothing is counted
 * twice. */
#include "apic.h"
#include "clock.h"
#include "core.h"
#include "machine.h"
#include "probe.h"

#define PMC          0xc1U
#define PERFEVTSEL   0x186U
#define DEBUGCTL     0x1d9U
#define STATUS       0x38eU
#define GLOBAL_CTRL  0x38fU
#define STATUS_RESET 0x390U
#define FIXED_CTR2   0x30bU
#define FIXED_CTRL   0x38dU

enum {
    EXIT_INIT = 3,
    EXIT_SIPI = 4,
    EXIT_CPUID = 10,
    EXIT_RDPMC = 15,
    EXIT_VMCALL = 18,
    EXIT_WRMSR = 32,
    EXIT_ENTRY_FAILED = 33,
    EXIT_ENTRY_MSR_FAILED = 34,
    ACTIVE = 0,
    HALTED = 1,
    WAIT_FOR_SIPI = 3,
    ENTRY_LOAD_DEBUG = 1 << 2,
    ENTRY_64BIT = 1 << 9,
    ENTRY_LOAD_GLOBAL = 1 << 13,
    EXIT_SAVE_DEBUG = 1 << 2,
    EXIT_64BIT = 1 << 9,
    EXIT_LOAD_GLOBAL = 1 << 12,
    EXIT_SAVE_GLOBAL = 1 << 30,
    PROC_RDPMC = 1 << 11,
    PROC_MSR_BITMAPS = 1 << 28,
    ERROR_HOST_STATE = 8,
};

enum field {
    MSR_BITMAP = 0x2004,
    EXIT_STORE_ADDRESS = 0x2006,
    EXIT_LOAD_ADDRESS = 0x2008,
    ENTRY_LOAD_ADDRESS = 0x200a,
    LINK_POINTER = 0x2800,
    GUEST_DEBUGCTL = 0x2802,
    GUEST_GLOBAL_CTRL = 0x2808,
    HOST_GLOBAL_CTRL = 0x2c04,
    PIN_CONTROLS = 0x4000,
    PROC_CONTROLS = 0x4002,
    EXIT_CONTROLS = 0x400c,
    EXIT_STORE_COUNT = 0x400e,
    EXIT_LOAD_COUNT = 0x4010,
    ENTRY_CONTROLS = 0x4012,
    ENTRY_LOAD_COUNT = 0x4014,
    INSTRUCTION_ERROR = 0x4400,
    EXIT_REASON = 0x4402,
    EXIT_LENGTH = 0x440c,
    ACTIVITY_STATE = 0x4826,
    QUALIFICATION = 0x6400,
    GUEST_RSP = 0x681c,
    GUEST_RIP = 0x681e,
    GUEST_RFLAGS = 0x6820,
};

struct msr_entry {
    u32 msr, reserved;
    u64 value;
};

u64 vmx_enter(bool launched);
extern const char vmx_exited[], vmx_exited_two[], vmx_guest_counted[], vmx_guest_global[],
    vmx_guest_wrmsr[], vmx_guest_rdpmc[], vmx_guest_debugctl[];
extern u64 vmx_guest_rax;

static u8 pages[4][4096] __attribute__((aligned(4096)));
static u64 vmxon_page, vmcs_page, bitmap, lists;
static bool launched;

static void put(u32 field, u64 value)
{
    u8 failed;
    __asm__ volatile("vmwrite %2, %1; setna %0"
                     : "=q"(failed)
                     : "r"((u64)field), "r"(value)
                     : "cc");
    expect(!failed, "VMWRITE %x", field);
}

static u64 get(u32 field)
{
    u64 value;
    __asm__ volatile("vmread %1, %0" : "=r"(value) : "r"((u64)field) : "cc");
    return value;
}

static u64 controls(u32 capability, u32 wanted)
{
    u64 allowed = rdmsr(capability);
    expect(!(wanted & ~(u32)(allowed >> 32)), "controls %x: the CPU allows %lx", wanted, allowed);
    return ((u32)allowed | wanted) & (u32)(allowed >> 32);
}

/* The guest is in the host's own segments and address space. */
static void write_state(void)
{
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) gdt, idt;
    struct core *core = this_core();
    __asm__ volatile("sgdt %0; sidt %1" : "=m"(gdt), "=m"(idt));
    for (u32 k = 0; k < 8; k++) { /* ES CS SS DS FS GS LDTR TR */
        bool code = k == 1, ldtr = k == 6, tr = k == 7;
        u16 selector = code ? SEL_CODE64 : tr ? SEL_TSS : ldtr ? 0 : SEL_DATA;
        put(0x800 + 2 * k, selector);
        put(0x4800 + 2 * k, tr ? sizeof(struct tss) - 1 : 0xffffffff);
        put(0x4814 + 2 * k, code ? 0xa09b : tr ? 0x8b : ldtr ? 0x10000 : 0xc093);
        put(0x6806 + 2 * k, tr ? (u64)&core->tss : 0);
        if (!ldtr) {
            put(0xc00 + 2 * (tr ? 6 : k), selector);
        }
    }
    put(0x4810, gdt.limit);
    put(0x4812, idt.limit);
    put(0x6816, gdt.base);
    put(0x6818, idt.base);
    put(0x6c0a, (u64)&core->tss);
    put(0x6c0c, gdt.base);
    put(0x6c0e, idt.base);
    static const u32 guest_cr[] = {0x6800, 0x6802, 0x6804}, host_cr[] = {0x6c00, 0x6c02, 0x6c04};
    u64 cr[] = {READ_CR(0), READ_CR(3), READ_CR(4)};
    for (u32 k = 0; k < 3; k++) {
        put(guest_cr[k], cr[k]);
        put(host_cr[k], cr[k]);
    }
    put(0x681a, 0x400); /* DR7 */
    put(GUEST_RFLAGS, 2);
    put(ACTIVITY_STATE, ACTIVE);
    put(0x6c16, (u64)vmx_exited);
    put(LINK_POINTER, ~0ULL);
    put(GUEST_RSP, (u64)this_core() + CORE_USER_TOP - 512);
    put(MSR_BITMAP, bitmap);
}

static void prepare(const void *rip, u32 entry, u32 exit)
{
    u8 failed;
    __asm__ volatile("vmclear %1; vmptrld %1; setna %0"
                     : "=q"(failed)
                     : "m"(vmcs_page)
                     : "cc", "memory");
    expect(!failed, "VMPTRLD");
    launched = false;
    put(PIN_CONTROLS, controls(0x48d, 0));
    put(PROC_CONTROLS, controls(0x48e, PROC_MSR_BITMAPS));
    put(ENTRY_CONTROLS, controls(0x490, ENTRY_64BIT | entry));
    put(EXIT_CONTROLS, controls(0x48f, EXIT_64BIT | exit));
    write_state();
    put(GUEST_RIP, (u64)rip);
    wrmsr(GLOBAL_CTRL, 0);
    wrmsr(STATUS_RESET, rdmsr(STATUS));
    wrmsr(PERFEVTSEL, SELECT_ALL | 0xc0);
    wrmsr(PMC, 0);
}

/* Runs until VMCALL; CPUID exits are stepped over, after work that must not be counted. */
static void run(void)
{
    for (;;) {
        u64 failed = vmx_enter(launched);
        expect(!failed, "entry failed: error %lu", get(INSTRUCTION_ERROR));
        launched = true;
        if (failed || (u16)get(EXIT_REASON) != EXIT_CPUID) {
            return;
        }
        for (volatile u32 k = 0; k < 100; k++) {
        }
        put(GUEST_RIP, get(GUEST_RIP) + get(EXIT_LENGTH));
    }
}

static void by_controls(void)
{
    test_begin("vmx-global-ctrl-by-controls");
    prepare(vmx_guest_counted, ENTRY_LOAD_GLOBAL, EXIT_LOAD_GLOBAL | EXIT_SAVE_GLOBAL);
    put(GUEST_GLOBAL_CTRL, 1);
    put(HOST_GLOBAL_CTRL, 0);
    run();
    expect_equal("exit reason", get(EXIT_REASON), EXIT_VMCALL);
    expect_equal("GLOBAL_CTRL after the exit", rdmsr(GLOBAL_CTRL), 0);
    expect_equal("GLOBAL_CTRL saved", get(GUEST_GLOBAL_CTRL), 1);
    expect_equal("the guest's instructions", rdmsr(PMC), 200);
    test_end();
}

/* The first slot is in the exit's store list and the entry's load list: the guest's value stays in
 * it. */
static void by_lists(void)
{
    test_begin("vmx-global-ctrl-by-lists");
    struct msr_entry *list = (struct msr_entry *)lists;
    list[0] = (struct msr_entry){GLOBAL_CTRL, 0, 1};
    list[1] = (struct msr_entry){PMC, 0, 0};
    list[2] = (struct msr_entry){GLOBAL_CTRL, 0, 0};
    prepare(vmx_guest_counted, 0, 0);
    put(ENTRY_LOAD_ADDRESS, lists);
    put(ENTRY_LOAD_COUNT, 1);
    put(EXIT_STORE_ADDRESS, lists);
    put(EXIT_STORE_COUNT, 2);
    put(EXIT_LOAD_ADDRESS, lists + 32);
    put(EXIT_LOAD_COUNT, 1);
    run();
    expect_equal("the guest's instructions", rdmsr(PMC), 200);
    expect_equal("the counter as stored", list[1].value, 200);
    put(GUEST_RIP, (u64)vmx_guest_global);
    run();
    expect_equal("GLOBAL_CTRL after the exit", rdmsr(GLOBAL_CTRL), 0);
    expect_equal("the guest's GLOBAL_CTRL as stored", list[0].value, 3);
    expect_equal("with the guest's own write", rdmsr(PMC), 205);
    list[0].value = BIT(40);
    vmx_enter(true);
    expect_equal("reserved bits in the list: exit reason", get(EXIT_REASON),
                 0x80000000 | EXIT_ENTRY_MSR_FAILED);
    expect_equal("which entry", get(QUALIFICATION), 1);
    put(ENTRY_LOAD_COUNT, 0);
    put(EXIT_LOAD_COUNT, 0);
    put(EXIT_STORE_COUNT, 0);
    test_end();
}

/* What is intercepted does not reach the PMU, and does not retire. */
static void intercepts(void)
{
    const u32 write_low = 2048; /* in the bitmap page: writes of MSRs 0 to 1FFFH (SDM 25.6.9) */
    u8 *byte = (u8 *)bitmap + write_low + PERFEVTSEL / 8;
    test_begin("vmx-intercepts");
    prepare(vmx_guest_wrmsr, ENTRY_LOAD_GLOBAL, EXIT_LOAD_GLOBAL);
    put(GUEST_GLOBAL_CTRL, 1);
    put(HOST_GLOBAL_CTRL, 0);
    *byte = 1 << PERFEVTSEL % 8;
    run();
    *byte = 0;
    expect_equal("WRMSR: exit reason", get(EXIT_REASON), EXIT_WRMSR);
    expect_equal("the selector", rdmsr(PERFEVTSEL), SELECT_ALL | 0xc0);
    expect_equal("instructions before the WRMSR", rdmsr(PMC), 3);
    prepare(vmx_guest_rdpmc, 0, 0);
    put(PROC_CONTROLS, get(PROC_CONTROLS) | PROC_RDPMC);
    run();
    expect_equal("RDPMC: exit reason", get(EXIT_REASON), EXIT_RDPMC);
    test_end();
}

static void debugctl(void)
{
    test_begin("vmx-debugctl");
    prepare(vmx_guest_debugctl, ENTRY_LOAD_DEBUG, EXIT_SAVE_DEBUG);
    put(GUEST_DEBUGCTL, 0x1000);
    run();
    expect_equal("DEBUGCTL in the guest", vmx_guest_rax, 0x1000);
    expect_equal("DEBUGCTL after the exit", rdmsr(DEBUGCTL), 0);
    expect_equal("DEBUGCTL saved", get(GUEST_DEBUGCTL), 0x1002);
    test_end();
}

static void entry_checks(void)
{
    const u64 failed_reason = 0x80000000 | EXIT_ENTRY_FAILED;
    test_begin("vmx-entry-checks");
    prepare(vmx_guest_counted, ENTRY_LOAD_GLOBAL | ENTRY_LOAD_DEBUG, EXIT_LOAD_GLOBAL);
    put(GUEST_GLOBAL_CTRL, BIT(40));
    vmx_enter(false);
    expect_equal("guest GLOBAL_CTRL: exit reason", get(EXIT_REASON), failed_reason);
    put(GUEST_GLOBAL_CTRL, 1);
    put(GUEST_DEBUGCTL, BIT(7));
    vmx_enter(false);
    expect_equal("guest DEBUGCTL: exit reason", get(EXIT_REASON), failed_reason);
    put(GUEST_DEBUGCTL, 0);
    put(HOST_GLOBAL_CTRL, BIT(40));
    expect(vmx_enter(false), "reserved bits in the host's GLOBAL_CTRL pass");
    expect_equal("VM-instruction error", get(INSTRUCTION_ERROR), ERROR_HOST_STATE);
    expect_equal("instructions", rdmsr(PMC), 0);
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
    wrmsr(STATUS_RESET, rdmsr(STATUS));
}

/* Runs the guest with an NMI due after `count` of its instructions. */
static void run_into_pmi(u64 count)
{
    prepare(vmx_guest_counted, ENTRY_LOAD_GLOBAL, EXIT_LOAD_GLOBAL | EXIT_SAVE_GLOBAL);
    put(GUEST_GLOBAL_CTRL, 1);
    put(HOST_GLOBAL_CTRL, 0);
    wrmsr(PERFEVTSEL, SELECT_EN | SELECT_OS | SELECT_INT | 0xc0);
    wrmsr(PMC, -count);
    nmi.hits = 0;
    this_core()->handler[VECTOR_NMI] = on_nmi;
    apic_enable();
    apic_write(APIC_LVT_PMC, 4 << 8);
    run();
    this_core()->handler[VECTOR_NMI] = NULL;
    expect_equal("NMIs", nmi.hits, 1);
    expect_equal("exit reason", get(EXIT_REASON), EXIT_VMCALL);
}

/* In the guest without an exit; with a skid that reaches past the exit, in the host. */
static void pmi_in_guest(void)
{
    u64 skid = option_number("skid", 0);
    test_begin("vmx-pmi-in-the-guest");
    run_into_pmi(50);
    expect_equal("where it came", nmi.rip - (u64)vmx_guest_counted, 50 + skid);
    test_end();
    if (skid > 2) {
        test_begin("vmx-pmi-in-the-host");
        run_into_pmi(200 - (skid - 2));
        expect_equal("where it came", nmi.rip - (u64)vmx_exited_two, 0);
        test_end();
    }
}

/* INIT is blocked in root operation and comes at the next entry, before the guest's first
 * instruction. */
static void init_is_held(void)
{
    test_begin("vmx-init-is-held");
    prepare(vmx_guest_counted, ENTRY_LOAD_GLOBAL, EXIT_LOAD_GLOBAL | EXIT_SAVE_GLOBAL);
    put(GUEST_GLOBAL_CTRL, 1);
    put(HOST_GLOBAL_CTRL, 0);
    apic_send(apic_id(), ICR_ASSERT | ICR_INIT);
    run();
    expect_equal("exit reason", get(EXIT_REASON), EXIT_INIT);
    expect_equal("where it came", get(GUEST_RIP), (u64)vmx_guest_counted);
    expect_equal("the guest's instructions", rdmsr(PMC), 0);
    run();
    expect_equal("exit reason of the next entry", get(EXIT_REASON), EXIT_VMCALL);
    expect_equal("the guest's instructions after it", rdmsr(PMC), 200);
    test_end();
}

enum { TIMER_VECTOR = 0x93, TICKS = 1000000 };

static void on_timer(struct frame *frame)
{
    (void)frame;
    apic_eoi();
}

/* VM entry into HLT: reference cycles stand still there too. */
static void halted_guest(void)
{
    test_begin("vmx-halted-guest");
    prepare(vmx_guest_counted, ENTRY_LOAD_GLOBAL, EXIT_LOAD_GLOBAL | EXIT_SAVE_GLOBAL);
    put(GUEST_GLOBAL_CTRL, BIT(34));
    put(HOST_GLOBAL_CTRL, 0);
    put(ACTIVITY_STATE, HALTED);
    put(GUEST_RFLAGS, 2 | RFLAGS_IF);
    wrmsr(FIXED_CTRL, 0x300);
    wrmsr(FIXED_CTR2, 0);
    this_core()->handler[TIMER_VECTOR] = on_timer;
    apic_enable();
    apic_write(APIC_TIMER_DIVIDE, 0xb);
    apic_write(APIC_LVT_TIMER, TIMER_VECTOR);
    u64 tsc = rdtsc();
    apic_write(APIC_TIMER_INITIAL, TICKS);
    run();
    tsc = rdtsc() - tsc;
    apic_write(APIC_LVT_TIMER, APIC_LVT_MASK);
    expect_equal("exit reason", get(EXIT_REASON), EXIT_VMCALL);
    expect(tsc > TICKS / 2, "the guest slept %lu TSC ticks only", tsc);
    expect(rdmsr(FIXED_CTR2) < TICKS / 10, "%lu reference cycles", rdmsr(FIXED_CTR2));
    wrmsr(FIXED_CTRL, 0);
    test_end();
}

static bool vmx_on(void)
{
    u8 failed;
    wrmsr_safe(0x3a, rdmsr(0x3a) | 5);
    WRITE_CR(0, READ_CR(0) | rdmsr(0x486));
    WRITE_CR(4, READ_CR(4) | 1 << 13);
    __asm__ volatile("vmxon %1; setna %0" : "=q"(failed) : "m"(vmxon_page) : "cc", "memory");
    expect(!failed, "VMXON fails");
    return !failed;
}

static volatile u64 sipi_reason, sipi_vector;

/* On another core: a guest that waits for a SIPI. */
static void wait_for_sipi(u64 unused)
{
    (void)unused;
    if (!vmx_on()) {
        return;
    }
    prepare(vmx_guest_counted, 0, 0);
    put(ACTIVITY_STATE, WAIT_FOR_SIPI);
    run();
    sipi_reason = get(EXIT_REASON);
    sipi_vector = get(QUALIFICATION);
    __asm__ volatile("vmxoff" ::: "cc");
}

static u64 instructions_to_send_sipi(u32 destination)
{
    wrmsr(GLOBAL_CTRL, 0);
    wrmsr(PERFEVTSEL, SELECT_ALL | 0xc0);
    wrmsr(PMC, 0);
    wrmsr(GLOBAL_CTRL, 1);
    apic_send(destination, ICR_ASSERT | ICR_SIPI | 0x34);
    wrmsr(GLOBAL_CTRL, 0);
    return rdmsr(PMC);
}

/* The second SIPI finds a running core, which ignores it: the sender's work is the same. */
static void sipi_exits(void)
{
    if (core_count < 2) {
        return;
    }
    test_begin("vmx-sipi");
    core_begin(cores[1], wait_for_sipi, 0);
    delay_us(10000);
    u64 first = instructions_to_send_sipi(cores[1]->apic_id);
    expect(core_wait(cores[1], 1000), "the core does not come back");
    u64 second = instructions_to_send_sipi(cores[1]->apic_id);
    expect_equal("exit reason", sipi_reason, EXIT_SIPI);
    expect_equal("vector", sipi_vector, 0x34);
    expect_equal("instructions of the sender", first, second);
    test_end();
}

void intel_vmx_probes(void)
{
    if (!(cpuid(1, 0).ecx & 1 << 5)) {
        say("info: no VMX");
        return;
    }
    vmxon_page = (u64)pages[0];
    vmcs_page = (u64)pages[1];
    bitmap = (u64)pages[2];
    lists = (u64)pages[3];
    *(u32 *)vmxon_page = *(u32 *)vmcs_page = (u32)rdmsr(0x480) & 0x7fffffff;
    test_begin("vmxon");
    if (!vmx_on()) {
        test_end();
        return;
    }
    test_end();
    by_controls();
    by_lists();
    intercepts();
    debugctl();
    entry_checks();
    pmi_in_guest();
    init_is_held();
    halted_guest();
    __asm__ volatile("vmxoff" ::: "cc");
    sipi_exits();
}
