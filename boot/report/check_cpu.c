/* The processor's part of the report: what it is, what it can, what its MSRs hold. */
#include "report/check.h"
#include "machine/cpu_ops.h"
#include "machine/pmu_text.h"
#include "uefi/text.h"

static bool is_virtual(void)
{
    return cpuid_value(1, 0, CPUID_ECX) & BIT(31);
}

/* AMD's and Hygon's numbering, APM volume 3 E.3.2; Intel uses the extended model for more families.
 */
static unsigned family(void)
{
    u32 eax = cpuid_value(1, 0, CPUID_EAX);
    unsigned base = (unsigned)FIELD(eax, 11, 8);

    return base == 0xf ? base + (unsigned)FIELD(eax, 27, 20) : base;
}

static unsigned model(void)
{
    u32 eax = cpuid_value(1, 0, CPUID_EAX);
    unsigned extended = (unsigned)FIELD(eax, 11, 8) >= 6 ? (unsigned)FIELD(eax, 19, 16) << 4 : 0;

    return (unsigned)FIELD(eax, 7, 4) | extended;
}

static const char *vendor(void)
{
    static u32 text[4];

    text[0] = cpuid_value(0, 0, CPUID_EBX);
    text[1] = cpuid_value(0, 0, CPUID_EDX);
    text[2] = cpuid_value(0, 0, CPUID_ECX);
    return (const char *)text;
}

static void report_name(void)
{
    static u32 brand[13];

    for (u32 i = 0; i < 3; i++)
        real_cpu.cpuid(0x80000002 + i, 0, &brand[4 * i]);
    if (cpuid_value(0x80000004, 0, CPUID_EAX) || cpuid_value(0x80000002, 0, CPUID_EAX))
        say("cede: cpu: %s\n", (const char *)brand);
    say("cede: cpu: %s, family 0x%x, model 0x%x, stepping %u%s\n", vendor(), family(), model(),
        cpuid_value(1, 0, CPUID_EAX) & 0xf, is_virtual() ? ", virtual" : "");
    say("cede: cpu: %u bits of physical address\n", cpuid_value(0x80000008, 0, CPUID_EAX) & 0xff);
}

/* Features that Cede uses or has to know, by the leaf that enumerates them. */
static const struct feature {
    u32 leaf;
    enum cpuid_reg reg;
    u8 bit;
    const char *name;
} features[] = {
    {0x1, CPUID_ECX, 5, "VMX"},
    {0x1, CPUID_ECX, 6, "SMX"},
    {0x1, CPUID_ECX, 15, "PDCM"},
    {0x1, CPUID_ECX, 21, "x2APIC"},
    {0x1, CPUID_ECX, 31, "hypervisor-bit"},
    {0x7, CPUID_EBX, 7, "SMEP"},
    {0x7, CPUID_EBX, 20, "SMAP"},
    {0x7, CPUID_ECX, 7, "CET-SS"},
    {0x7, CPUID_ECX, 16, "LA57"},
    {0x80000001, CPUID_ECX, 2, "SVM"},
    {0x80000001, CPUID_ECX, 23, "PerfCtrExtCore"},
    {0x80000001, CPUID_ECX, 24, "PerfCtrExtNB"},
    {0x80000001, CPUID_ECX, 28, "PerfCtrExtLLC"},
    {0x80000001, CPUID_ECX, 10, "IBS"},
    {0x80000001, CPUID_EDX, 26, "1GiB-pages"},
    {0x8000000a, CPUID_EDX, 0, "NPT"},
    {0x8000000a, CPUID_EDX, 2, "SVM-lock"},
    {0x8000000a, CPUID_EDX, 3, "NRIPS"},
    {0x8000000a, CPUID_EDX, 5, "VmcbClean"},
    {0x8000000a, CPUID_EDX, 6, "FlushByASID"},
    {0x8000000a, CPUID_EDX, 7, "DecodeAssists"},
    {0x8000000a, CPUID_EDX, 13, "AVIC"},
    {0x8000000a, CPUID_EDX, 16, "VGIF"},
    {0x8000000a, CPUID_EDX, 18, "x2AVIC"},
    {0x8000000a, CPUID_EDX, 20, "SpecCtrlVirt"},
    {0x8000000a, CPUID_EDX, 25, "VNMI"},
    {0x8000001f, CPUID_EAX, 0, "SME"},
    {0x8000001f, CPUID_EAX, 1, "SEV"},
    {0x8000001f, CPUID_EAX, 4, "SEV-SNP"},
    {0x80000022, CPUID_EAX, 0, "PerfMonV2"},
};

static void report_features(bool present, const char *prefix)
{
    static char text[400];
    size_t used = 0;

    text[0] = 0;
    for (unsigned i = 0; i < COUNT(features); i++) {
        const struct feature *f = &features[i];
        if ((cpuid_value(f->leaf, 0, f->reg) >> f->bit & 1) == present)
            used += text_print(text + used, sizeof text - used, "%s ", f->name);
    }
    say_wrapped(prefix, text);
}

static bool has_svm(void)
{
    return cpuid_value(0x80000001, 0, CPUID_ECX) & BIT(2);
}

static bool has_vmx(void)
{
    return cpuid_value(1, 0, CPUID_ECX) & BIT(5);
}

static void report_svm(void)
{
    if (has_svm())
        say("cede: svm: revision %u, %u ASIDs\n", cpuid_value(0x8000000a, 0, CPUID_EAX) & 0xff,
            cpuid_value(0x8000000a, 0, CPUID_EBX));
}

static char control_names[2][1000]; /* that VT-x lacks, and has */

static void add_control(const char *name, bool present)
{
    char *text = control_names[present];
    size_t used = __builtin_strlen(text);

    text_print(text + used, sizeof control_names[0] - used, "%s%s", used ? ", " : "", name);
}

static void report_vmx(void)
{
    if (!has_vmx())
        return;
    preflight_controls(&real_cpu, add_control);
    say_wrapped("cede: vmx: ", control_names[true]);
    if (control_names[false][0])
        say_wrapped("cede: vmx lacks: ", control_names[false]);
}

/* When an MSR may be read without a fault. Those that only the processor's manual promises are not
 * read in a virtual machine, whose host may not have them. */
static bool when_always(void)
{
    return true;
}

static bool when_mtrr(void)
{
    return cpuid_value(1, 0, CPUID_EDX) & BIT(12);
}

static bool when_pat(void)
{
    return cpuid_value(1, 0, CPUID_EDX) & BIT(16);
}

/* Those that describe EPT and VPID exist only with them, which the preflight knows. */
static bool when_ept(void)
{
    return has_vmx() && preflight(&real_cpu) == PREFLIGHT_OK;
}

static bool when_amd(void)
{
    return is_amd() && family() >= 0xf;
}

static bool when_amd_metal(void)
{
    return when_amd() && !is_virtual();
}

static const struct {
    u32 msr;
    const char *name;
    bool (*when)(void);
} msrs[] = {
    {0x0000001b, "APIC_BASE", when_always},   {0x0000003a, "FEATURE_CONTROL", has_vmx},
    {0x00000480, "VMX_BASIC", has_vmx},       {0x00000485, "VMX_MISC", has_vmx},
    {0x0000048c, "EPT_VPID_CAP", when_ept},   {0x0000008b, "PATCH_LEVEL", when_amd},
    {0x000000fe, "MTRRCAP", when_mtrr},       {0x00000277, "PAT", when_pat},
    {0x000002ff, "MTRR_DEF_TYPE", when_mtrr}, {0xc0000080, "EFER", when_always},
    {0xc0010010, "SYSCFG", when_amd},         {0xc0010015, "HWCR", when_amd},
    {0xc001001a, "TOP_MEM", when_amd_metal},  {0xc001001d, "TOM2", when_amd_metal},
    {0xc0010111, "SMM_BASE", when_amd_metal}, {0xc0010112, "SMM_ADDR", when_amd_metal},
    {0xc0010113, "SMM_MASK", when_amd_metal}, {0xc0010114, "VM_CR", has_svm},
    {0xc0010117, "VM_HSAVE_PA", has_svm},
};

static void report_msrs(void)
{
    for (unsigned i = 0; i < COUNT(msrs); i++)
        if (msrs[i].when())
            say("cede: msr: %-15s %08x = %016lx\n", msrs[i].name, msrs[i].msr,
                real_cpu.rdmsr(msrs[i].msr));
}

void check_cpu_report(void)
{
    report_name();
    report_svm();
    report_vmx();
    report_features(true, "cede: has: ");
    report_features(false, "cede: lacks: ");
    say("cede: pmu: %s\n", pmu_text());
    say("cede: cr0 = %lx, cr4 = %lx\n", read_cr0(), read_cr4());
    report_msrs();
}
