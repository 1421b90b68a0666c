/* Preflight for AMD-V (APM volume 2, 15.4), and the place where another vendor's will be chosen. */
#include "preflight.h"

#include "msr.h"

/* CPUID leaves and bits, APM volume 3 appendix E. */
#define CPUID_SVM_BIT      BIT(2)                     /* 8000_0001 ECX */
#define CPUID_NPT_BIT      BIT(0)                     /* 8000_000A EDX */
#define CPUID_ENCRYPTION   (BIT(0) | BIT(1) | BIT(4)) /* 8000_001F EAX: SME, SEV, SEV-SNP */
#define CPUID_FEATURES     0x80000001
#define CPUID_SVM_FEATURES 0x8000000a
#define CPUID_MEMORY       0x8000001f

#define SYSCFG_MEM_ENCRYPTION BIT(23)
#define SYSCFG_SNP            BIT(24)

enum reg { EAX, EBX, ECX, EDX };

/* One register of a leaf, 0 where the processor has no such leaf. */
static u32 cpuid_of(const struct cpu_ops *ops, u32 leaf, enum reg reg)
{
    u32 out[4];

    ops->cpuid(leaf & 0x80000000, 0, out);
    if (out[EAX] < leaf)
        return 0;
    ops->cpuid(leaf, 0, out);
    return out[reg];
}

/* Vendors whose processors are AMD-V or nothing: theirs lack SVM, others are of another kind. */
static bool is_amd(const struct cpu_ops *ops)
{
    static const u32 names[][3] = {
        {0x68747541, 0x69746e65, 0x444d4163}, /* AuthenticAMD in EBX, EDX, ECX */
        {0x6f677948, 0x6e65476e, 0x656e6975}, /* HygonGenuine */
    };
    u32 out[4];

    ops->cpuid(0, 0, out);
    for (unsigned i = 0; i < COUNT(names); i++)
        if (out[EBX] == names[i][0] && out[EDX] == names[i][1] && out[ECX] == names[i][2])
            return true;
    return false;
}

/* The bits exist where CPUID promises one of the features (APM 7.10.1, 15.36.3); SYSCFG itself is
 * older. */
static bool encrypts(const struct cpu_ops *ops)
{
    if (!(cpuid_of(ops, CPUID_MEMORY, EAX) & CPUID_ENCRYPTION))
        return false;
    return ops->rdmsr(MSR_SYSCFG) & (SYSCFG_MEM_ENCRYPTION | SYSCFG_SNP);
}

static enum preflight preflight_svm(const struct cpu_ops *ops)
{
    /* VM_CR exists with SVM. The lock bit alone only freezes SVMDIS (APM 15.30.1). */
    if (ops->rdmsr(MSR_VM_CR) & VM_CR_SVMDIS)
        return PREFLIGHT_SVM_LOCKED;
    if (!(cpuid_of(ops, CPUID_SVM_FEATURES, EDX) & CPUID_NPT_BIT))
        return PREFLIGHT_NO_NPT;
    if (ops->rdmsr(IA32_EFER) & EFER_SVME)
        return PREFLIGHT_SVM_IN_USE;
    return encrypts(ops) ? PREFLIGHT_ENCRYPTION : PREFLIGHT_OK;
}

enum preflight preflight(const struct cpu_ops *ops)
{
    /* By feature, not by name: whoever sets the bit implements the APM. VT-x would be asked here.
     */
    if (cpuid_of(ops, CPUID_FEATURES, ECX) & CPUID_SVM_BIT)
        return preflight_svm(ops);
    return is_amd(ops) ? PREFLIGHT_NO_SVM : PREFLIGHT_VENDOR;
}

const char *preflight_text(enum preflight code)
{
    static const char *const texts[] = {
        [PREFLIGHT_OK] = "this processor can be taken",
        [PREFLIGHT_VENDOR] =
            "this processor has no AMD-V (SVM): Cede needs an AMD processor of 2008 or later",
        [PREFLIGHT_NO_SVM] =
            "this AMD processor shows no SVM: turn on SVM Mode (AMD-V) in the firmware setup",
        [PREFLIGHT_SVM_LOCKED] =
            "SVM is locked off (VM_CR.SVMDIS): turn on SVM Mode (AMD-V) in the firmware setup",
        [PREFLIGHT_NO_NPT] = "this processor has no nested paging (NPT), which Cede needs",
        [PREFLIGHT_SVM_IN_USE] =
            "EFER.SVME is already set: another hypervisor has this processor; start Cede first",
        [PREFLIGHT_ENCRYPTION] =
            "memory encryption (SME) or SNP is on: turn off SMEE and SEV-SNP in the firmware setup",
    };

    _Static_assert(COUNT(texts) == PREFLIGHT_COUNT, "a text for each code");
    return (unsigned)code < PREFLIGHT_COUNT ? texts[code] : "unknown preflight result";
}
