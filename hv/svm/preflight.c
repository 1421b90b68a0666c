/* Preflight for AMD-V (APM volume 2, 15.4). */
#include "base/preflight_parts.h"

#include "base/msr.h"

/* CPUID leaves and bits, APM volume 3 appendix E. */
#define CPUID_NPT_BIT      BIT(0)                     /* 8000_000A EDX */
#define CPUID_ENCRYPTION   (BIT(0) | BIT(1) | BIT(4)) /* 8000_001F EAX: SME, SEV, SEV-SNP */
#define CPUID_SVM_FEATURES 0x8000000a
#define CPUID_MEMORY       0x8000001f

#define SYSCFG_MEM_ENCRYPTION BIT(23)
#define SYSCFG_SNP            BIT(24)

/* The bits exist where CPUID promises one of the features (APM 7.10.1, 15.36.3); SYSCFG itself is
 * older. */
static bool encrypts(const struct cpu_ops *ops)
{
    if (!(preflight_cpuid(ops, CPUID_MEMORY, CPU_EAX) & CPUID_ENCRYPTION))
        return false;
    return ops->rdmsr(MSR_SYSCFG) & (SYSCFG_MEM_ENCRYPTION | SYSCFG_SNP);
}

/* What svm.c goes by: FlushByASID, decode assists, virtual SPEC_CTRL, ERAPS. */
void preflight_svm_traits(const struct cpu_ops *ops, struct preflight_traits *traits)
{
    u64 features = preflight_cpuid(ops, CPUID_SVM_FEATURES, CPU_EDX) & (BIT(6) | BIT(7) | BIT(20));

    traits->of[TRAIT_SVM] = features | (preflight_cpuid(ops, 0x80000021, CPU_EAX) & BIT(24));
}

enum preflight preflight_svm(const struct cpu_ops *ops)
{
    /* VM_CR exists with SVM. The lock bit alone only freezes SVMDIS (APM 15.30.1). */
    if (ops->rdmsr(MSR_VM_CR) & VM_CR_SVMDIS)
        return PREFLIGHT_SVM_LOCKED;
    if (!(preflight_cpuid(ops, CPUID_SVM_FEATURES, CPU_EDX) & CPUID_NPT_BIT))
        return PREFLIGHT_NO_NPT;
    if (ops->rdmsr(IA32_EFER) & EFER_SVME)
        return PREFLIGHT_SVM_IN_USE;
    if (encrypts(ops))
        return PREFLIGHT_ENCRYPTION;
    return has_nx(ops) ? PREFLIGHT_OK : PREFLIGHT_NO_NX;
}
