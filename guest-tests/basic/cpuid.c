/* CPUID: every leaf is stable, the same on all cores, and follows the control registers it reports.
 */
#include "basic.h"
#include "cede.h"
#include "core.h"
#include "cpu.h"
#include "fault.h"
#include "machine.h"
#include "report.h"

enum { MAX_LEAVES = 512 };

struct leaf {
    u32 leaf, subleaf;
    struct cpuid value;
};

static struct leaf leaves[MAX_LEAVES];
static u32 leaf_count;

/* Parts that say which core it is, or what that core's XCR0 and APIC are at the moment. */
static void mask_own(u32 leaf, u32 subleaf, struct cpuid *v)
{
    switch (leaf) {
    case 1:
        v->ebx &= 0x00ffffff;    /* initial APIC ID */
        v->ecx &= ~(u32)BIT(27); /* OSXSAVE */
        break;
    case 7:
        v->ecx &= ~(u32)BIT(4); /* OSPKE */
        break;
    case 0xb:
    case 0x1f:
    case 0x80000026:
        v->edx = 0; /* x2APIC ID */
        break;
    case 0xd:
        v->ebx = subleaf < 2 ? 0 : v->ebx; /* size for the current XCR0 and XSS */
        break;
    case 0x8000001e:
        v->eax = v->ebx = v->ecx = 0; /* APIC ID, core and node */
        break;
    default:
        break;
    }
}

static struct cpuid own_cpuid(u32 leaf, u32 subleaf)
{
    struct cpuid v = cpuid(leaf, subleaf);
    mask_own(leaf, subleaf, &v);
    return v;
}

static bool same(const struct cpuid *a, const struct cpuid *b)
{
    return a->eax == b->eax && a->ebx == b->ebx && a->ecx == b->ecx && a->edx == b->edx;
}

static void gather_range(u32 first, u32 last)
{
    for (u32 leaf = first; leaf <= last && leaf - first < 64; leaf++) {
        for (u32 subleaf = 0; subleaf < 4 && leaf_count < MAX_LEAVES; subleaf++) {
            leaves[leaf_count++] = (struct leaf){leaf, subleaf, own_cpuid(leaf, subleaf)};
        }
    }
}

static void compare(u64 unused)
{
    (void)unused;
    for (u32 i = 0; i < leaf_count; i++) {
        struct cpuid now = own_cpuid(leaves[i].leaf, leaves[i].subleaf);
        expect(same(&now, &leaves[i].value), "core %u leaf %x/%x: %x %x %x %x, was %x %x %x %x",
               this_core()->index, leaves[i].leaf, leaves[i].subleaf, now.eax, now.ebx, now.ecx,
               now.edx, leaves[i].value.eax, leaves[i].value.ebx, leaves[i].value.ecx,
               leaves[i].value.edx);
    }
}

static void sweep(void)
{
    struct cpuid base = cpuid(0, 0), ext = cpuid(0x80000000, 0);
    leaf_count = 0;
    gather_range(0, base.eax);
    gather_range(0x80000000, ext.eax);
    gather_range(0x40000000, 0x40000001);
    test_begin("cpuid-stable");
    expect(base.eax >= 7 && base.eax < 64, "maximum leaf %x", base.eax);
    expect(ext.eax >= 0x80000008, "maximum extended leaf %x", ext.eax);
    for (u32 i = 0; i < 3; i++) {
        compare(0);
    }
    test_end();
    test_begin("cpuid-all-cores");
    expect(core_run_all(compare, 0, 5000), "a core did not finish");
    test_end();
}

/* CR4 bits that CPUID mirrors (APM appendix E.3.2, E.3.7). */
static void follows_cr4(const char *name, u32 leaf, u32 bit, u32 supported_bit, u64 cr4_bit)
{
    u64 cr4 = READ_CR(4);
    test_begin(name);
    if (cpuid(leaf, 0).ecx & BIT(supported_bit)) {
        WRITE_CR(4, cr4 | cr4_bit);
        expect(cpuid(leaf, 0).ecx & BIT(bit), "clear with the CR4 bit set");
        WRITE_CR(4, cr4 & ~cr4_bit);
        expect(!(cpuid(leaf, 0).ecx & BIT(bit)), "set with the CR4 bit clear");
        WRITE_CR(4, cr4);
    }
    test_end();
}

static void xsetbv(u64 value)
{
    __asm__ volatile("xsetbv" ::"a"((u32)value), "d"((u32)(value >> 32)), "c"(0) : "memory");
}

/* Leaf 0xD EBX is the save area's size for the current XCR0: 512 + 64 legacy bytes, AVX at 576. On
 * bed N (`tcg-kvm`) nobody looks at OSXSAVE: TCG takes KVM's intercept first, and KVM leaves the
 * check to the processor. */
static void follows_xcr0(void)
{
    u64 cr4 = READ_CR(4);
    test_begin("cpuid-xsave-size");
    if ((cpuid(1, 0).ecx & BIT(26)) && (cpuid(0xd, 0).eax & 7) == 7) {
        WRITE_CR(4, cr4 | CR4_OSXSAVE);
        expect(attempt(xsetbv, 1, NULL) == NO_FAULT, "XSETBV 1 faulted");
        expect(cpuid(0xd, 0).ebx == 576, "size %u with XCR0 = 1", cpuid(0xd, 0).ebx);
        expect(attempt(xsetbv, 7, NULL) == NO_FAULT, "XSETBV 7 faulted");
        expect(cpuid(0xd, 0).ebx == 832, "size %u with XCR0 = 7", cpuid(0xd, 0).ebx);
        expect(attempt(xsetbv, 6, NULL) == VECTOR_GP, "XSETBV 6 did not raise #GP");
        xsetbv(7);
        WRITE_CR(4, cr4);
        expect(option_word("tcg-kvm") || attempt(xsetbv, 7, NULL) == VECTOR_UD,
               "XSETBV without OSXSAVE: no #UD");
    }
    test_end();
}

/* The other registers and the upper halves: CPUID zeroes bits 63:32 of its four and touches no
 * other. */
static void register_contract(void)
{
    u64 rax = 0xffffffff00000000, rbx = ~0ULL, rcx = 0xffffffff00000000, rdx = ~0ULL;
    u64 r8 = 0x1122334455667788, rsi = 0x8877665544332211;
    register u64 other __asm__("r8") = r8;
    __asm__ volatile("cpuid" : "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx), "+r"(other), "+S"(rsi));
    test_begin("cpuid-registers");
    expect(!((rax | rbx | rcx | rdx) >> 32), "upper halves %lx %lx %lx %lx", rax, rbx, rcx, rdx);
    expect(other == r8 && rsi == 0x8877665544332211, "another register changed");
    test_end();
}

static void show_differences(void)
{
    struct cpuid one = cpuid(1, 0), ext = cpuid(0x80000001, 0), hv = cpuid(0x40000000, 0);
    say("info: cpuid family %x, hypervisor bit %u, SVM bit %u, leaf 40000000 %x %x %x %x", one.eax,
        one.ecx >> 31, ext.ecx >> 2 & 1, hv.eax, hv.ebx, hv.ecx, hv.edx);
    if (under_cede() && !is_amd) {
        test_begin_cede("cpuid-vmx-hidden");
        expect(!(one.ecx & (BIT(5) | BIT(6))), "1 ECX %x", one.ecx); /* VMX, SMX */
        test_end();
    }
    if (under_cede() && is_amd) {
        struct cpuid svm = cpuid(0x8000000a, 0), sev = cpuid(0x8000001f, 0);
        test_begin_cede("cpuid-svm-hidden");
        expect(!(ext.ecx & BIT(2)), "80000001 ECX %x", ext.ecx);
        expect(!(svm.eax | svm.ebx | svm.ecx | svm.edx), "leaf 8000000a is not zero");
        expect(!(sev.eax | sev.ebx | sev.ecx | sev.edx), "leaf 8000001f is not zero");
        test_end();
    }
}

/* QEMU shows leaves of its own, and lets any MSR be read. */
static void outer_is_hidden(void)
{
    static const u32 of_hypervisors[] = {0x40000000, 0x40000001, 0x40000002, 0x40000003, 0x40000010,
                                         0x40000100, 0x40000101, 0x40010000, 0x4fffffff};
    static const u32 msrs[] = {0x11,       0x12,       0x40000000, 0x40000020,
                               0x4b564d00, 0x4b564d01, 0x4b564d02, 0x4b564dff};
    if (!under_cede()) {
        return;
    }
    test_begin_cede("outer-hypervisor-hidden");
    for (u32 i = 0; i < COUNT(of_hypervisors); i++) {
        struct cpuid v = cpuid(of_hypervisors[i], 0);
        expect(!(v.eax | v.ebx | v.ecx | v.edx), "leaf %x: %x %x %x %x", of_hypervisors[i], v.eax,
               v.ebx, v.ecx, v.edx);
    }
    for (u32 i = 0; i < COUNT(msrs); i++) {
        u64 value;
        expect(rdmsr_safe(msrs[i], &value) == VECTOR_GP, "MSR %x can be read", msrs[i]);
        expect(wrmsr_safe(msrs[i], 0) == VECTOR_GP, "MSR %x can be written", msrs[i]);
    }
    test_end();
}

void cpuid_probes(void)
{
    sweep();
    register_contract();
    follows_cr4("cpuid-osxsave", 1, 27, 26, CR4_OSXSAVE);
    follows_cr4("cpuid-ospke", 7, 4, 3, CR4_PKE);
    follows_xcr0();
    show_differences();
    outer_is_hidden();
}
