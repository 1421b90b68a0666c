/* Instructions that user code may not execute. */
#include "cpl3.h"
#include "apic.h"
#include "cede.h"
#include "cpu.h"
#include "fault.h"
#include "report.h"

static u8 scratch[4096] __attribute__((aligned(4096)));

USER(do_rdmsr, "mov $0xc0000080, %%ecx; rdmsr")
USER(do_rdmsr_tsc, "mov $0x10, %%ecx; rdmsr")
USER(do_wrmsr, "mov $0xc0000080, %%ecx; xor %%eax, %%eax; xor %%edx, %%edx; wrmsr")
USER(do_wrmsr_apic_base, "mov $0x1b, %%ecx; xor %%eax, %%eax; xor %%edx, %%edx; wrmsr")
USER(do_wrmsr_icr, "mov $0x830, %%ecx; mov $0x4500, %%eax; xor %%edx, %%edx; wrmsr")
USER(do_wrmsr_selector, "mov %%edi, %%ecx; mov $0x4300c0, %%eax; xor %%edx, %%edx; wrmsr")
USER(do_read_cr0, "mov %%cr0, %%rax")
USER(do_read_cr2, "mov %%cr2, %%rax")
USER(do_read_cr3, "mov %%cr3, %%rax")
USER(do_read_cr4, "mov %%cr4, %%rax")
USER(do_read_cr8, "mov %%cr8, %%rax")
USER(do_write_cr0, "mov %%rax, %%cr0")
USER(do_write_cr2, "mov %%rax, %%cr2")
USER(do_write_cr3, "mov %%rax, %%cr3")
USER(do_write_cr4, "mov %%rax, %%cr4")
USER(do_write_cr8, "mov %%rax, %%cr8")
USER(do_lmsw, "lmsw %%ax")
USER(do_clts, "clts")
USER(do_read_dr7, "mov %%dr7, %%rax")
USER(do_write_dr7, "mov $0x400, %%eax; mov %%rax, %%dr7")
USER(do_invd, "invd")
USER(do_wbinvd, "wbinvd")
USER(do_hlt, "hlt")
USER(do_invlpg, "invlpg (%%rdi)")
USER(do_lgdt, "lgdt (%%rdi)")
USER(do_lidt, "lidt (%%rdi)")
USER(do_lldt, "xor %%eax, %%eax; lldt %%ax")
USER(do_ltr, "mov $0x48, %%eax; ltr %%ax")
USER(do_swapgs, "swapgs")
USER(do_xsetbv, "xor %%ecx, %%ecx; xor %%edx, %%edx; xsetbv")
USER(do_xgetbv, "xor %%ecx, %%ecx; xgetbv")
USER(do_rsm, "rsm")
USER(do_monitor, "xor %%ecx, %%ecx; xor %%edx, %%edx; monitor")
USER(do_mwait, "xor %%ecx, %%ecx; xor %%eax, %%eax; mwait")
USER(do_xsaves, ".byte 0x48, 0x0f, 0xc7, 0x2f")  /* XSAVES64 [RDI] */
USER(do_xrstors, ".byte 0x48, 0x0f, 0xc7, 0x1f") /* XRSTORS64 [RDI] */
USER(do_invpcid, "xor %%eax, %%eax; invpcid (%%rdi), %%rax")
USER(do_cli, "cli")
USER(do_sti, "sti; cli")

static const struct user forbidden[] = {
    {"rdmsr", do_rdmsr, VECTOR_GP, false},
    {"rdmsr-tsc", do_rdmsr_tsc, VECTOR_GP, false},
    {"wrmsr", do_wrmsr, VECTOR_GP, false},
    {"wrmsr-apic-base", do_wrmsr_apic_base, VECTOR_GP, false},
    {"wrmsr-icr", do_wrmsr_icr, VECTOR_GP, false},
    {"mov-from-cr0", do_read_cr0, VECTOR_GP, false},
    {"mov-from-cr2", do_read_cr2, VECTOR_GP, false},
    {"mov-from-cr3", do_read_cr3, VECTOR_GP, false},
    {"mov-from-cr4", do_read_cr4, VECTOR_GP, false},
    {"mov-from-cr8", do_read_cr8, VECTOR_GP, false},
    {"mov-to-cr0", do_write_cr0, VECTOR_GP, false},
    {"mov-to-cr2", do_write_cr2, VECTOR_GP, false},
    {"mov-to-cr3", do_write_cr3, VECTOR_GP, false},
    {"mov-to-cr4", do_write_cr4, VECTOR_GP, false},
    {"mov-to-cr8", do_write_cr8, VECTOR_GP, false},
    {"lmsw", do_lmsw, VECTOR_GP, false},
    {"clts", do_clts, VECTOR_GP, false},
    {"mov-from-dr7", do_read_dr7, VECTOR_GP, false},
    {"mov-to-dr7", do_write_dr7, VECTOR_GP, false},
    {"invd", do_invd, VECTOR_GP, true},
    {"wbinvd", do_wbinvd, VECTOR_GP, true},
    {"hlt", do_hlt, VECTOR_GP, false},
    {"invlpg", do_invlpg, VECTOR_GP, false},
    {"lgdt", do_lgdt, VECTOR_GP, false},
    {"lidt", do_lidt, VECTOR_GP, false},
    {"lldt", do_lldt, VECTOR_GP, false},
    {"ltr", do_ltr, VECTOR_GP, false},
    {"swapgs", do_swapgs, VECTOR_GP, false},
    {"rsm", do_rsm, VECTOR_UD, false},
    {"cli", do_cli, VECTOR_GP, false},
    {"sti", do_sti, VECTOR_GP, false},
    {"monitor", do_monitor, VECTOR_UD, false},
    {"mwait", do_mwait, VECTOR_UD, false},
};

void expect_vector(const struct user *u, u64 argument)
{
    struct fault fault;
    int vector = attempt_user(u->execute, argument, &fault);
    if (u->tcg_runs_it && vector == NO_FAULT) {
        return;
    }
    expect(vector == u->vector, "%s gave %d, not %d", u->name, vector, u->vector);
    expect(vector != VECTOR_GP || !fault.frame.error, "%s: error code %lx", u->name,
           fault.frame.error);
    expect(vector == NO_FAULT || (fault.frame.cs & 3) == 3, "%s: CS %lx", u->name, fault.frame.cs);
}

static void forbidden_to_users(void)
{
    u64 efer = rdmsr(MSR_EFER), base = rdmsr(MSR_APIC_BASE), cr0 = READ_CR(0), cr3 = READ_CR(3),
        cr4 = READ_CR(4), cr8 = READ_CR(8);
    test_begin("cpl3-privileged");
    for (u32 i = 0; i < COUNT(forbidden); i++) {
        expect_vector(&forbidden[i], (u64)scratch);
    }
    expect(efer == rdmsr(MSR_EFER) && base == rdmsr(MSR_APIC_BASE), "an MSR has changed");
    expect(cr0 == READ_CR(0) && cr3 == READ_CR(3) && cr4 == READ_CR(4) && cr8 == READ_CR(8),
           "a control register has changed");
    test_end();
}

static u64 xgetbv(void)
{
    u32 low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low | (u64)high << 32;
}

/* A value that a kernel could have: were it carried out, XCR0 would change. TCG takes XSETBV
 * without OSXSAVE for something else than #UD, so that is not asked. */
static void extended_state(void)
{
    static const struct user xsetbv = {"xsetbv", do_xsetbv, VECTOR_GP, false},
                             xsaves = {"xsaves", do_xsaves, VECTOR_GP, false},
                             xrstors = {"xrstors", do_xrstors, VECTOR_GP, false};
    if (!(cpuid(1, 0).ecx & BIT(26))) {
        say("info: no XSAVE");
        return;
    }
    WRITE_CR(4, READ_CR(4) | CR4_OSXSAVE);
    u64 xcr0 = xgetbv(), other = xcr0 == 1 ? 3 : 1;
    test_begin("cpl3-xsave");
    expect_vector(&xsetbv, other);
    if (cpuid(0xd, 1).eax & BIT(3)) {
        expect_vector(&xsaves, (u64)scratch);
        expect_vector(&xrstors, (u64)scratch);
    }
    expect(xgetbv() == xcr0, "XCR0 is %lx, was %lx", xgetbv(), xcr0);
    expect(attempt_user(do_xgetbv, 0, NULL) == NO_FAULT, "XGETBV faults");
    test_end();
}

static void invpcid(void)
{
    static const struct user u = {"invpcid", do_invpcid, VECTOR_GP, false};
    test_begin("cpl3-invpcid");
    if (cpuid(7, 0).ebx & BIT(10)) {
        expect_vector(&u, (u64)scratch);
    }
    test_end();
}

/* Event selectors: the row of the fast path. */
static void selectors(void)
{
    static const struct user wrmsr = {"wrmsr-selector", do_wrmsr_selector, VECTOR_GP, false};
    u64 before = 0, after = 0;
    test_begin("cpl3-selector");
    int vector = rdmsr_safe(msr_selector(0), &before);
    expect_vector(&wrmsr, msr_selector(0));
    expect(rdmsr_safe(msr_selector(0), &after) == vector && after == before, "now %lx", after);
    test_end();
}

void privileged_probes(void)
{
    forbidden_to_users();
    extended_state();
    invpcid();
    selectors();
}
