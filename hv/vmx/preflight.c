/* Preflight for VT-x (SDM volume 3, 24.7 and appendix A). */
#include "base/preflight_parts.h"
#include "base/msr.h"
#include "pmu/grants_parts.h"
#include "vmx/controls.h"
#include "vmx/vmcs.h"

#define EPT_NEEDED \
    (EPT_CAP_WALK_4 | EPT_CAP_WRITE_BACK | EPT_CAP_2MIB | EPT_CAP_INVEPT | EPT_CAP_INVEPT_ALL)
#define VPID_NEEDED (EPT_CAP_INVVPID | EPT_CAP_INVVPID_ALL)

/* Key identifiers take the upper bits of physical addresses: each page then has aliases, and so
 * would the hypervisor's. The MSR exists with CPUID.7 ECX[13]. */
static bool has_memory_keys(const struct cpu_ops *ops)
{
    u64 activate;

    if (!(preflight_cpuid(ops, 7, CPU_ECX) & BIT(13)))
        return false;
    activate = ops->rdmsr(IA32_TME_ACTIVATE);
    return (activate & TME_ACTIVATE_ENABLE) && FIELD(activate, 35, 32);
}

static bool ept_is_enough(const struct cpu_ops *ops, const struct vmx_controls *controls)
{
    u64 cap = ops->rdmsr(IA32_VMX_EPT_VPID_CAP), needed = EPT_NEEDED;

    if (controls->word[WORD_SECONDARY] & SECONDARY_VPID)
        needed |= VPID_NEEDED;
    return (cap & needed) == needed;
}

static u64 fixed_bits(const struct cpu_ops *ops, u32 fixed0, u32 fixed1)
{
    return (ops->rdmsr(fixed0) & MASK(31, 0)) | ops->rdmsr(fixed1) << 32;
}

/* What vmx.c and ept.c go by. */
void preflight_vmx_traits(const struct cpu_ops *ops, struct preflight_traits *traits)
{
    struct vmx_controls controls;
    struct vmx_hidden hidden;
    u64 *of = traits->of;

    _Static_assert(TRAIT_ENTRY - TRAIT_PIN == WORD_ENTRY - WORD_PIN, "in the same order");
    vmx_compute(ops, &controls, &hidden);
    for (u32 i = 0; i < WORDS; i++)
        of[TRAIT_PIN + i] = controls.word[i];
    of[TRAIT_VMCS] = ops->rdmsr(IA32_VMX_BASIC) & MASK(30, 0);
    of[TRAIT_HIDDEN] = hidden.cr4 << 32 | hidden.features;
    of[TRAIT_CR0] = fixed_bits(ops, IA32_VMX_CR0_FIXED0, IA32_VMX_CR0_FIXED1);
    of[TRAIT_CR4] = fixed_bits(ops, IA32_VMX_CR4_FIXED0, IA32_VMX_CR4_FIXED1);
    of[TRAIT_EPT] = ops->rdmsr(IA32_VMX_EPT_VPID_CAP) & (EPT_CAP_1GIB | EPT_CAP_WALK_5);
    of[TRAIT_WBINVD] = ops->rdmsr(IA32_VMX_PROCBASED_CTLS2) >> 32 & SECONDARY_WBINVD;
    of[TRAIT_LBR] = lbr_ctl_is_switched(ops);
    of[TRAIT_GLOBAL_CTRL] = FIELD(preflight_cpuid(ops, 0xa, CPU_EAX), 7, 0) >= 2;
}

enum preflight preflight_vmx(const struct cpu_ops *ops)
{
    u64 feature_control = ops->rdmsr(IA32_FEATURE_CONTROL);
    struct vmx_controls controls;
    struct vmx_hidden hidden;
    int missing;

    if ((feature_control & FEATURE_CONTROL_LOCK) && !(feature_control & FEATURE_CONTROL_VMXON))
        return PREFLIGHT_VMX_LOCKED;
    if (ops->read_cr4() & CR4_VMXE)
        return PREFLIGHT_VMX_IN_USE;
    if (FIELD(ops->rdmsr(IA32_VMX_BASIC), 53, 50) != VMX_MEMORY_WRITE_BACK)
        return PREFLIGHT_VMX_MEMORY;
    missing = vmx_compute(ops, &controls, &hidden);
    if (missing != VMX_NOTHING_MISSING)
        return (enum preflight)(PREFLIGHT_VMX_CONTROLS + missing);
    if (!(ops->rdmsr(IA32_VMX_MISC) & VMX_MISC_HLT))
        return PREFLIGHT_VMX_HALT;
    if (!ept_is_enough(ops, &controls))
        return PREFLIGHT_EPT_POOR;
    if (has_memory_keys(ops))
        return PREFLIGHT_MEMORY_KEYS;
    return has_nx(ops) ? PREFLIGHT_OK : PREFLIGHT_NO_NX;
}
