/* Which VMX controls are set, computed from what the processor allows (SDM volume 3, appendix A).
 * Pure: linked into the loader too, for its refusals and --check (preflight_controls()). */
#ifndef CEDE_VMX_CONTROLS_H
#define CEDE_VMX_CONTROLS_H

#include "preflight.h"

enum vmx_word { WORD_PIN, WORD_PRIMARY, WORD_SECONDARY, WORD_EXIT, WORD_ENTRY, WORDS };

struct vmx_controls {
    u32 word[WORDS];
};

/* Features that a guest must not see, for want of the control that makes them work. */
struct vmx_hidden {
    u32 features; /* bits: rows of the table in controls.c */
    u64 cr4;      /* what a guest cannot set then */
};

#define VMX_NOTHING_MISSING (-1)

/* The control words. Returns the row of the first control that Cede cannot do without and the
 * processor does not offer, or VMX_NOTHING_MISSING. */
int vmx_compute(const struct cpu_ops *ops, struct vmx_controls *controls,
                struct vmx_hidden *hidden);

/* What is missing, as a sentence. */
const char *vmx_missing_text(int row);

/* Takes hidden features out of what CPUID answered: EAX, EBX, ECX, EDX. */
void vmx_hide(const struct vmx_hidden *hidden, u32 leaf, u32 subleaf, u32 regs[4]);

#endif
