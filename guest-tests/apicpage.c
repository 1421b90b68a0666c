/* apicpage.efi: FEE00000H means the local APIC only in xAPIC mode. While it is off, or in x2APIC
 * mode, a store of whatever width to that page does nothing to it, and does not fault; and it is
 * the register's again afterwards. On the second core, then on the boot processor. */
#include "apic.h"
#include "cede.h"
#include "clock.h"
#include "cpu.h"
#include "fault.h"
#include "machine.h"
#include "report.h"
#include "smp.h"

enum { PATIENCE_MS = 4000, TPR_SET = 0x20, VECTOR_PROBE = 0xac };

#define STORE(name, text)                                                                  \
    static void name(u64 address)                                                          \
    {                                                                                      \
        __asm__ volatile(text : "+D"(address) : "a"(0x50) : "rcx", "rdx", "memory", "cc"); \
    }

STORE(store8, "movb %%al, (%%rdi)")
STORE(store16, "movw %%ax, (%%rdi)")
STORE(store32, "movl %%eax, (%%rdi)")
STORE(store_imm, "movl $0x50, (%%rdi)")
STORE(store64, "movq %%rax, (%%rdi)")
STORE(store128, "movups %%xmm0, (%%rdi)")
STORE(or32, "orl $0x50, (%%rdi)")
STORE(xchg32, "mov %%eax, %%edx; xchgl %%edx, (%%rdi)")
STORE(inc16, "incw (%%rdi)")
STORE(not8, "notb (%%rdi)")
STORE(stos8, "mov $32, %%ecx; rep stosb")
STORE(stos64, "mov $4, %%ecx; rep stosq")
STORE(unaligned, "movl %%eax, 2(%%rdi)")

static const struct {
    const char *name;
    core_work *execute;
} stores[] = {
    {"8 bits", store8},
    {"16 bits", store16},
    {"32 bits", store32},
    {"immediate", store_imm},
    {"64 bits", store64},
    {"128 bits", store128},
    {"OR", or32},
    {"XCHG", xchg32},
    {"INC of 16 bits", inc16},
    {"NOT of 8 bits", not8},
    {"REP STOSB", stos8},
    {"REP STOSQ", stos64},
    {"not aligned", unaligned},
};

/* To QEMU's TCG the page stays the APIC's in every mode, so bare it is only asked what faults. */
static bool page_stays;

static bool is_tcg(void)
{
    struct cpuid c = cpuid(0x40000000, 0);
    return c.ebx == 0x54474354; /* TCGT */
}

/* Other than xAPIC mode: none faults, and INITs go nowhere: one of them to the boot processor,
 * which would be the machine's end. */
static void store_all(const char *mode)
{
    for (u32 i = 0; i < COUNT(stores); i++) {
        int vector = attempt(stores[i].execute, APIC_PAGE + APIC_TPR, NULL);
        expect(vector == NO_FAULT, "%s: %s gave %d", mode, stores[i].name, vector);
    }
    if (page_stays) {
        return;
    }
    xapic_write(APIC_ICR_HIGH, cores[0]->apic_id << 24);
    xapic_write(APIC_ICR, ICR_ASSERT | ICR_INIT);
    xapic_write(APIC_ICR, ICR_ASSERT | ICR_INIT | ICR_OTHERS);
    xapic_write(APIC_ICR, ICR_ASSERT | ICR_INIT | ICR_SELF);
}

static void set_mode(u64 bits)
{
    u64 base = rdmsr(MSR_APIC_BASE) & ~(u64)(APIC_BASE_EN | APIC_BASE_EXTD);
    wrmsr(MSR_APIC_BASE, base | bits);
}

static u64 mode(void)
{
    return rdmsr(MSR_APIC_BASE) & (APIC_BASE_EN | APIC_BASE_EXTD);
}

static void in_x2apic_mode(void)
{
    if (!(cpuid(1, 0).ecx & BIT(21))) {
        return;
    }
    set_mode(APIC_BASE_EN | APIC_BASE_EXTD);
    apic_enable();
    apic_write(APIC_TPR, TPR_SET);
    store_all("x2APIC");
    expect(page_stays || apic_read(APIC_TPR) == TPR_SET, "x2APIC: TPR is %x", apic_read(APIC_TPR));
}

static void switched_off(void)
{
    set_mode(0);
    expect(!mode(), "it cannot be switched off");
    store_all("off");
}

/* Back on; QEMU 7.2 has no way back. */
static void in_xapic_mode(void)
{
    set_mode(APIC_BASE_EN);
    if (mode() != APIC_BASE_EN) {
        say("info: this APIC stays off");
        return;
    }
    apic_enable();
    xapic_write(APIC_TPR, 0x30);
    expect(xapic_read(APIC_TPR) == 0x30, "xAPIC: TPR is %x", xapic_read(APIC_TPR));
    xapic_write(APIC_TPR, 0);
    u32 before = this_core()->count[VECTOR_PROBE];
    apic_send(apic_id(), ICR_ASSERT | ICR_SELF | VECTOR_PROBE);
    irq_window();
    expect(this_core()->count[VECTOR_PROBE] == before + 1, "xAPIC: no interrupt to itself");
}

static void all_modes(u64 unused)
{
    u64 first = mode();
    (void)unused;
    in_x2apic_mode();
    switched_off();
    in_xapic_mode();
    if (first != mode() && mode()) {
        set_mode(first);
        apic_enable();
    }
}

/* The others are alive: no INIT went anywhere. */
static void nothing(u64 unused)
{
    (void)unused;
}

static void others_answer(void)
{
    for (u32 i = 2; i < core_count; i++) {
        expect(core_run(cores[i], nothing, 0, PATIENCE_MS), "core %u is gone", i);
        expect(cores[i]->starts == 1, "core %u started again", i);
    }
}

static void apicpage(u64 unused)
{
    (void)unused;
    machine_leave_firmware();
    WRITE_CR(4, READ_CR(4) | CR4_OSFXSR);
    page_stays = !under_cede() && is_tcg();
    test_begin("start-cores");
    bool started = start_all();
    test_end();
    test_begin("apic-page-other-core");
    if (started && core_count > 1) {
        expect(core_run(cores[1], all_modes, 0, PATIENCE_MS), "core 1 did not finish");
        others_answer();
    }
    test_end();
    test_begin("apic-page-boot-processor");
    all_modes(0);
    test_end();
    if (mode()) {
        test_begin("apic-page-others-answer");
        others_answer();
        test_end();
    }
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, apicpage);
}
