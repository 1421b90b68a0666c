/* VM entry and exit and the PMU: what is loaded, saved and checked, and that nothing is counted
 * twice. */
#include "apic.h"
#include "core.h"
#include "machine.h"
#include "probe.h"

#define PMC          0xc1U
#define PERFEVTSEL   0x186U
#define DEBUGCTL     0x1d9U
#define STATUS       0x38eU
#define GLOBAL_CTRL  0x38fU
#define STATUS_RESET 0x390U

enum {
    EXIT_CPUID = 10,
    EXIT_VMCALL = 18,
    EXIT_ENTRY_FAILED = 33,
    ENTRY_LOAD_DEBUG = 1 << 2,
    ENTRY_64BIT = 1 << 9,
    ENTRY_LOAD_GLOBAL = 1 << 13,
    EXIT_SAVE_DEBUG = 1 << 2,
    EXIT_64BIT = 1 << 9,
    EXIT_LOAD_GLOBAL = 1 << 12,
    EXIT_SAVE_GLOBAL = 1 << 30,
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
    GUEST_RSP = 0x681c,
    GUEST_RIP = 0x681e,
};

struct msr_entry {
    u32 msr, reserved;
    u64 value;
};

u64 vmx_enter(bool launched);
extern const char vmx_exited[], vmx_guest_counted[], vmx_guest_debugctl[];
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
    put(0x6820, 2);     /* RFLAGS */
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

static void by_lists(void)
{
    test_begin("vmx-global-ctrl-by-lists");
    struct msr_entry *list = (struct msr_entry *)lists;
    list[0] = (struct msr_entry){GLOBAL_CTRL, 0, 1};
    list[1] = (struct msr_entry){GLOBAL_CTRL, 0, 0};
    list[2] = (struct msr_entry){PMC, 0, 0};
    prepare(vmx_guest_counted, 0, 0);
    put(ENTRY_LOAD_ADDRESS, lists);
    put(ENTRY_LOAD_COUNT, 1);
    put(EXIT_LOAD_ADDRESS, lists + 16);
    put(EXIT_LOAD_COUNT, 1);
    put(EXIT_STORE_ADDRESS, lists + 32);
    put(EXIT_STORE_COUNT, 1);
    run();
    put(ENTRY_LOAD_COUNT, 0);
    put(EXIT_LOAD_COUNT, 0);
    put(EXIT_STORE_COUNT, 0);
    expect_equal("the guest's instructions", rdmsr(PMC), 200);
    expect_equal("the counter as stored", list[2].value, 200);
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

static volatile u32 nmis;

static void on_nmi(struct frame *frame)
{
    nmis++;
    expect_equal("where it came", frame->rip - (u64)vmx_guest_counted,
                 50 + option_number("skid", 0));
    wrmsr(STATUS_RESET, rdmsr(STATUS));
}

static void pmi_in_guest(void)
{
    test_begin("vmx-pmi-in-the-guest");
    prepare(vmx_guest_counted, ENTRY_LOAD_GLOBAL, EXIT_LOAD_GLOBAL | EXIT_SAVE_GLOBAL);
    put(GUEST_GLOBAL_CTRL, 1);
    put(HOST_GLOBAL_CTRL, 0);
    wrmsr(PERFEVTSEL, SELECT_EN | SELECT_OS | SELECT_INT | 0xc0);
    wrmsr(PMC, (u64)-50);
    nmis = 0;
    this_core()->handler[VECTOR_NMI] = on_nmi;
    apic_enable();
    apic_write(APIC_LVT_PMC, 4 << 8);
    run();
    this_core()->handler[VECTOR_NMI] = 0;
    expect_equal("NMIs", nmis, 1);
    expect_equal("exit reason", get(EXIT_REASON), EXIT_VMCALL);
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
    wrmsr_safe(0x3a, rdmsr(0x3a) | 5);
    WRITE_CR(0, READ_CR(0) | rdmsr(0x486));
    WRITE_CR(4, READ_CR(4) | 1 << 13);
    u8 failed;
    __asm__ volatile("vmxon %1; setna %0" : "=q"(failed) : "m"(vmxon_page) : "cc", "memory");
    if (failed) {
        test_begin("vmxon");
        test_fail("VMXON fails");
        test_end();
        return;
    }
    by_controls();
    by_lists();
    debugctl();
    entry_checks();
    pmi_in_guest();
    __asm__ volatile("vmxoff" ::: "cc");
}
