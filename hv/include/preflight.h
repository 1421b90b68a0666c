/* Whether a processor can be taken, decided before anything is changed. Linked into the loader as
 * well (for its refusals and for --check), so it only executes CPUID and RDMSR, and only those MSRs
 * that CPUID promises: nothing here may fault on any processor, under any firmware. */
#ifndef CEDE_PREFLIGHT_H
#define CEDE_PREFLIGHT_H

#include "types.h"

enum preflight {
    PREFLIGHT_OK,
    PREFLIGHT_VENDOR,      /* neither an AMD-V nor a VT-x processor */
    PREFLIGHT_NO_SVM,      /* CPUID 8000_0001 ECX[2] clear */
    PREFLIGHT_SVM_LOCKED,  /* VM_CR.SVMDIS set: disabled by firmware (APM 15.4) */
    PREFLIGHT_NO_NPT,      /* CPUID 8000_000A EDX[0] clear */
    PREFLIGHT_SVM_IN_USE,  /* EFER.SVME already set: something virtualizes this processor */
    PREFLIGHT_ENCRYPTION,  /* SYSCFG.MemEncryptionModEn or SNP: the C-bit or RMP is in force */
    PREFLIGHT_NO_VMX,      /* CPUID 1 ECX[5] clear on an Intel processor */
    PREFLIGHT_VMX_LOCKED,  /* IA32_FEATURE_CONTROL locked without VMXON outside SMX */
    PREFLIGHT_VMX_IN_USE,  /* CR4.VMXE set */
    PREFLIGHT_VMX_MEMORY,  /* IA32_VMX_BASIC: VMCS not in write-back memory */
    PREFLIGHT_VMX_HALT,    /* IA32_VMX_MISC[6]: no guest can be entered that halts */
    PREFLIGHT_EPT_POOR,    /* IA32_VMX_EPT_VPID_CAP: page sizes, memory types, invalidation */
    PREFLIGHT_MEMORY_KEYS, /* TME-MK: physical addresses have aliases */
    PREFLIGHT_NO_NX,       /* CPUID 8000_0001 EDX[20] clear */
    PREFLIGHT_COUNT,
    /* From here on: the row of hv/vmx/controls.c that is missing. */
    PREFLIGHT_VMX_CONTROLS = 100
};

/* Reads of the running processor; a table of these is the seam for unit tests. */
struct cpu_ops {
    void (*cpuid)(u32 leaf, u32 subleaf, u32 out[4]); /* out: EAX EBX ECX EDX */
    u64 (*rdmsr)(u32 msr);
    u64 (*read_cr4)(void);
};

/* Judges the running processor. */
enum preflight preflight(const struct cpu_ops *ops);

/* What Cede reads on the boot processor and then does on all of them. */
enum preflight_trait {
    TRAIT_ADDRESSES,
    TRAIT_SVM,
    TRAIT_VMCS,
    TRAIT_PIN,
    TRAIT_PRIMARY,
    TRAIT_SECONDARY,
    TRAIT_EXIT,
    TRAIT_ENTRY,
    TRAIT_HIDDEN,
    TRAIT_CR0,
    TRAIT_CR4,
    TRAIT_EPT,
    TRAIT_WBINVD,
    TRAIT_LBR,
    TRAIT_GLOBAL_CTRL,
    TRAITS
};

struct preflight_traits {
    u64 of[TRAITS]; /* 0 where the vendor has no such thing */
};

/* Of a processor that passes. */
void preflight_traits(const struct cpu_ops *ops, struct preflight_traits *traits);

/* The first in which two processors differ, or TRAITS; and its name, to be used in a sentence. */
enum preflight_trait preflight_differ(const struct preflight_traits *a,
                                      const struct preflight_traits *b);
const char *preflight_trait_text(enum preflight_trait trait);

/* For --check, where the processor has VT-x: calls `row` for each control that Cede sets. */
void preflight_controls(const struct cpu_ops *ops, void (*row)(const char *name, bool present));

/* One sentence for the operator: what is wrong and what to do. Never NULL. */
const char *preflight_text(enum preflight code);

#endif
