/* Which vendor's preflight applies, and what its codes mean. */
#include "base/preflight_parts.h"
#include "vmx/controls.h"

static bool is_named(const struct cpu_ops *ops, const u32 name[3])
{
    u32 out[4];

    ops->cpuid(0, 0, out);
    return out[CPU_EBX] == name[0] && out[CPU_EDX] == name[1] && out[CPU_ECX] == name[2];
}

/* A processor that has neither, by its maker: theirs are switched off, others never had it. */
static enum preflight preflight_none(const struct cpu_ops *ops)
{
    static const struct {
        u32 name[3]; /* EBX, EDX, ECX */
        enum preflight code;
    } makers[] = {
        {{0x68747541, 0x69746e65, 0x444d4163}, PREFLIGHT_NO_SVM}, /* AuthenticAMD */
        {{0x6f677948, 0x6e65476e, 0x656e6975}, PREFLIGHT_NO_SVM}, /* HygonGenuine */
        {{0x756e6547, 0x49656e69, 0x6c65746e}, PREFLIGHT_NO_VMX}, /* GenuineIntel */
    };

    for (unsigned i = 0; i < COUNT(makers); i++)
        if (is_named(ops, makers[i].name))
            return makers[i].code;
    return PREFLIGHT_VENDOR;
}

enum preflight preflight(const struct cpu_ops *ops)
{
    return has_svm(ops)   ? preflight_svm(ops)
           : has_vmx(ops) ? preflight_vmx(ops)
                          : preflight_none(ops);
}

/* The width of addresses, LA57 and 1 GiB pages shape the maps. */
static u64 address_features(const struct cpu_ops *ops)
{
    return (preflight_cpuid(ops, 0x80000008, CPU_EAX) & 0xff) |
           (preflight_cpuid(ops, 7, CPU_ECX) & BIT(16)) |
           (preflight_cpuid(ops, 0x80000001, CPU_EDX) & BIT(26));
}

void preflight_traits(const struct cpu_ops *ops, struct preflight_traits *traits)
{
    *traits = (struct preflight_traits){.of = {[TRAIT_ADDRESSES] = address_features(ops)}};
    if (has_svm(ops))
        preflight_svm_traits(ops, traits);
    else
        preflight_vmx_traits(ops, traits);
}

enum preflight_trait preflight_differ(const struct preflight_traits *a,
                                      const struct preflight_traits *b)
{
    unsigned i = 0;

    while (i < TRAITS && a->of[i] == b->of[i])
        i++;
    return (enum preflight_trait)i;
}

const char *preflight_trait_text(enum preflight_trait trait)
{
    static const char *const texts[TRAITS] = {
        [TRAIT_ADDRESSES] = "addresses or page sizes",
        [TRAIT_SVM] = "AMD-V features",
        [TRAIT_VMCS] = "VMCS revisions",
        [TRAIT_PIN] = "pin-based VT-x controls",
        [TRAIT_PRIMARY] = "primary VT-x controls",
        [TRAIT_SECONDARY] = "secondary VT-x controls",
        [TRAIT_EXIT] = "VM-exit controls",
        [TRAIT_ENTRY] = "VM-entry controls",
        [TRAIT_HIDDEN] = "features that VT-x can give guests",
        [TRAIT_CR0] = "fixed bits of CR0",
        [TRAIT_CR4] = "fixed bits of CR4",
        [TRAIT_EPT] = "EPT capabilities",
        [TRAIT_WBINVD] = "exits for WBINVD",
        [TRAIT_LBR] = "branch records",
        [TRAIT_GLOBAL_CTRL] = "performance monitoring versions",
    };

    return (unsigned)trait < TRAITS ? texts[trait] : "nothing";
}

const char *preflight_text(enum preflight code)
{
    static const char *const texts[] = {
        [PREFLIGHT_OK] = "this processor can be taken",
        [PREFLIGHT_VENDOR] = "this processor has neither AMD-V (SVM) nor VT-x (VMX)",
        [PREFLIGHT_NO_SVM] =
            "this AMD processor shows no SVM: turn on SVM Mode (AMD-V) in the firmware setup",
        [PREFLIGHT_SVM_LOCKED] =
            "SVM is locked off (VM_CR.SVMDIS): turn on SVM Mode (AMD-V) in the firmware setup",
        [PREFLIGHT_NO_NPT] = "this processor has no nested paging (NPT), which Cede needs",
        [PREFLIGHT_SVM_IN_USE] =
            "EFER.SVME is already set: another hypervisor has this processor; start Cede first",
        [PREFLIGHT_ENCRYPTION] =
            "memory encryption (SME) or SNP is on: turn off SMEE and SEV-SNP in the firmware setup",
        [PREFLIGHT_NO_VMX] =
            "this Intel processor shows no VMX: turn on VT-x (Intel Virtualization Technology) in "
            "the firmware setup",
        [PREFLIGHT_VMX_LOCKED] =
            "VMX is locked off (IA32_FEATURE_CONTROL): turn on VT-x (Intel Virtualization "
            "Technology) in the firmware setup",
        [PREFLIGHT_VMX_IN_USE] =
            "CR4.VMXE is already set: another hypervisor has this processor; start Cede first",
        [PREFLIGHT_VMX_MEMORY] =
            "this processor's VT-x wants uncached control structures: Cede does not know it",
        [PREFLIGHT_VMX_HALT] =
            "this processor's VT-x cannot enter a guest that halts, which Cede needs",
        [PREFLIGHT_EPT_POOR] = "this processor's EPT lacks 4-level walks, 2 MiB pages, write-back "
                               "or invalidation, which Cede needs",
        [PREFLIGHT_MEMORY_KEYS] =
            "multi-key memory encryption (TME-MK) is on: turn it off in the firmware setup",
        [PREFLIGHT_NO_NX] =
            "this processor shows no NX: turn on Execute Disable (XD) in the firmware setup",
    };

    _Static_assert(COUNT(texts) == PREFLIGHT_COUNT, "a text for each code");
    if ((unsigned)code >= PREFLIGHT_VMX_CONTROLS)
        return vmx_missing_text((int)code - PREFLIGHT_VMX_CONTROLS);
    return (unsigned)code < PREFLIGHT_COUNT ? texts[code] : "unknown preflight result";
}
