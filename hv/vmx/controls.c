#include "vmx/controls.h"
#include "base/msr.h"
#include "vmx/vmcs.h"

enum need {
    REQUIRED, /* set; refused without */
    LATER,    /* must be settable; set when needed */
    WANTED,   /* set where it can be */
    CLEAR,    /* must be clearable: nobody handles that exit */
};

#define ROW(word, bit, need, name)                                                                 \
    {                                                                                              \
        bit, WORD_##word, need, name,                                                              \
            (need) == CLEAR ? "this processor's VT-x cannot do without " name ", which Cede needs" \
                            : "this processor's VT-x has no " name ", which Cede needs"            \
    }

static const struct control {
    u32 bit;
    u8 word, need;
    const char *name, *missing;
} table[] = {
    ROW(PRIMARY, PRIMARY_SECONDARY, REQUIRED, "secondary controls"),
    ROW(SECONDARY, SECONDARY_EPT, REQUIRED, "extended page tables (EPT)"),
    ROW(SECONDARY, SECONDARY_UNRESTRICTED, REQUIRED, "unrestricted guests"),
    ROW(SECONDARY, SECONDARY_RDTSCP, REQUIRED, "RDTSCP and RDPID in guests"),
    ROW(SECONDARY, SECONDARY_VPID, WANTED, "VPID"),
    ROW(SECONDARY, SECONDARY_ENCLS, WANTED, "exits for ENCLS"), /* SGX is hidden, not off */
    ROW(PRIMARY, PRIMARY_MSR_BITMAPS, REQUIRED, "MSR bitmaps"),
    ROW(PRIMARY, PRIMARY_IO_BITMAPS, REQUIRED, "I/O bitmaps"),
    ROW(PRIMARY, PRIMARY_MTF, LATER, "monitor trap flag"),
    ROW(PIN, PIN_PREEMPTION_TIMER, LATER, "preemption timer"),
    ROW(EXIT, EXITCTL_HOST_64, REQUIRED, "64-bit host"),
    ROW(ENTRY, ENTRYCTL_LONG, LATER, "64-bit guest"),
    ROW(EXIT, EXITCTL_SAVE_DEBUG, REQUIRED, "saving of DEBUGCTL"),
    ROW(ENTRY, ENTRYCTL_LOAD_DEBUG, REQUIRED, "loading of DEBUGCTL"),
    ROW(EXIT, EXITCTL_SAVE_PAT, REQUIRED, "saving of PAT"),
    ROW(EXIT, EXITCTL_LOAD_PAT, REQUIRED, "loading of the host's PAT"),
    ROW(ENTRY, ENTRYCTL_LOAD_PAT, REQUIRED, "loading of the guest's PAT"),
    ROW(EXIT, EXITCTL_SAVE_EFER, REQUIRED, "saving of EFER"),
    ROW(EXIT, EXITCTL_LOAD_EFER, REQUIRED, "loading of the host's EFER"),
    ROW(ENTRY, ENTRYCTL_LOAD_EFER, REQUIRED, "loading of the guest's EFER"),
    ROW(EXIT, EXITCTL_SAVE_GLOBAL, WANTED, "saving of PERF_GLOBAL_CTRL"),
    ROW(EXIT, EXITCTL_LOAD_GLOBAL, WANTED, "loading of the host's PERF_GLOBAL_CTRL"),
    ROW(ENTRY, ENTRYCTL_LOAD_GLOBAL, WANTED, "loading of the guest's PERF_GLOBAL_CTRL"),
    ROW(PIN, PIN_EXTERNAL_INTERRUPTS, CLEAR, "exits for interrupts"),
    ROW(PIN, PIN_NMI, CLEAR, "exits for NMIs"),
    ROW(PRIMARY, PRIMARY_HLT, CLEAR, "exits for HLT"),
    ROW(PRIMARY, PRIMARY_INVLPG, CLEAR, "exits for INVLPG"),
    ROW(PRIMARY, PRIMARY_MWAIT, CLEAR, "exits for MWAIT"),
    ROW(PRIMARY, PRIMARY_MONITOR, CLEAR, "exits for MONITOR"),
    ROW(PRIMARY, PRIMARY_RDPMC, CLEAR, "exits for RDPMC"),
    ROW(PRIMARY, PRIMARY_RDTSC, CLEAR, "exits for RDTSC"),
    ROW(PRIMARY, PRIMARY_CR3_LOAD, CLEAR, "exits for CR3 loads"),
    ROW(PRIMARY, PRIMARY_CR3_STORE, CLEAR, "exits for CR3 stores"),
    ROW(PRIMARY, PRIMARY_MOV_DR, CLEAR, "exits for debug registers"),
    ROW(SECONDARY, SECONDARY_DESCRIPTORS, CLEAR, "exits for descriptor tables"),
    ROW(SECONDARY, SECONDARY_WBINVD, CLEAR, "exits for WBINVD"),
};

enum reg { EAX, EBX, ECX, EDX };

#define NEVER 1 /* no control that Cede sets gives a guest this */

/* CR4 bits of what a guest never has: no VMX or SMX inside, and FRED's state is nowhere switched.
 */
#define NEVER_CR4 (CR4_VMXE | CR4_SMXE | CR4_FRED)

/* What CPUID promises and which controls keep the promise: they are set, or the bit is hidden and
 * its CR4 bits stay clear. What needs no control is not here: PKS, UINTR, ENQCMD, AMX, LAM, LASS,
 * key locker (their state is resident, hv/vmx/state.c). What is denied for the sake of other cores
 * or of the hypervisor is in hv/msr/cpuid_rows.c. */
static const struct feature {
    u8 leaf, subleaf, reg, bit, never;
    u32 secondary, exit, entry;
    u64 cr4;
} features[] = {
    {7, 0, EBX, 10, 0, SECONDARY_INVPCID, 0, 0, 0},
    {7, 0, ECX, 5, 0, SECONDARY_WAITPKG, 0, 0, 0},
    {0xd, 1, EAX, 3, 0, SECONDARY_XSAVES, 0, 0, 0},
    {7, 0, EBX, 14, 0, 0, EXITCTL_CLEAR_BND, ENTRYCTL_LOAD_BND, 0},      /* MPX */
    {7, 0, ECX, 7, 0, 0, EXITCTL_LOAD_CET, ENTRYCTL_LOAD_CET, CR4_CET},  /* shadow stacks */
    {7, 0, EDX, 20, 0, 0, EXITCTL_LOAD_CET, ENTRYCTL_LOAD_CET, CR4_CET}, /* branch tracking */
    {7, 0, EDX, 18, NEVER, 0, 0, 0, 0}, /* PCONFIG: memory encryption keys */
    {7, 1, EAX, 27, NEVER, 0, 0, 0, 0}, /* MSRLIST: exits of its own */
    {7, 1, ECX, 5, NEVER, 0, 0, 0, 0},  /* RDMSR and WRMSRNS, immediate forms: likewise */
    {7, 1, EDX, 15, NEVER, 0, 0, 0, 0}, /* USER_MSR: MSRs by a bitmap of its own */
};

_Static_assert(COUNT(features) <= 32, "a bit each in vmx_hidden");

/* Low half: bits that must be 1. High half: bits that may be. */
static void read_allowed(const struct cpu_ops *ops, u64 allowed[WORDS])
{
    bool exact = ops->rdmsr(IA32_VMX_BASIC) & VMX_BASIC_TRUE_CONTROLS;
    u32 base = exact ? IA32_VMX_TRUE_PINBASED_CTLS : IA32_VMX_PINBASED_CTLS;

    allowed[WORD_PIN] = ops->rdmsr(base);
    allowed[WORD_PRIMARY] = ops->rdmsr(base + 1);
    allowed[WORD_EXIT] = ops->rdmsr(base + 2);
    allowed[WORD_ENTRY] = ops->rdmsr(base + 3);
    allowed[WORD_SECONDARY] = 0;
    if (allowed[WORD_PRIMARY] >> 32 & PRIMARY_SECONDARY) /* else the MSR does not exist */
        allowed[WORD_SECONDARY] = ops->rdmsr(IA32_VMX_PROCBASED_CTLS2);
}

static bool satisfied(const struct control *control, u64 allowed)
{
    switch (control->need) {
    case REQUIRED:
    case LATER:
        return allowed >> 32 & control->bit;
    case CLEAR:
        return !(allowed & control->bit);
    }
    return true;
}

static bool promised(const struct cpu_ops *ops, const struct feature *feature)
{
    u32 out[4];

    ops->cpuid(0, 0, out);
    if (out[EAX] < feature->leaf)
        return false;
    ops->cpuid(feature->leaf, feature->subleaf, out);
    return out[feature->reg] & BIT(feature->bit);
}

static bool offers(u64 allowed, u32 bits)
{
    return (allowed >> 32 & bits) == bits;
}

static void add_feature(const struct feature *feature, const u64 allowed[WORDS],
                        struct vmx_controls *controls, struct vmx_hidden *hidden)
{
    if (feature->never || !offers(allowed[WORD_SECONDARY], feature->secondary) ||
        !offers(allowed[WORD_EXIT], feature->exit) ||
        !offers(allowed[WORD_ENTRY], feature->entry)) {
        hidden->features |= (u32)BIT(feature - features);
        hidden->cr4 |= feature->cr4;
        return;
    }
    controls->word[WORD_SECONDARY] |= feature->secondary;
    controls->word[WORD_EXIT] |= feature->exit;
    controls->word[WORD_ENTRY] |= feature->entry;
}

/* All three or none: without the one that saves, MSR lists do the whole of it. That also keeps away
 * from the loading controls of Nehalem and Westmere, which do not work (errata AAK155, AAP115,
 * AAT100, BC86, BA97) and are older than the saving one. */
static void settle_global_ctrl(struct vmx_controls *controls)
{
    u32 *exit = &controls->word[WORD_EXIT], *entry = &controls->word[WORD_ENTRY];
    u32 both = EXITCTL_SAVE_GLOBAL | EXITCTL_LOAD_GLOBAL;

    if ((*exit & both) == both && (*entry & ENTRYCTL_LOAD_GLOBAL))
        return;
    *exit &= ~both;
    *entry &= ~(u32)ENTRYCTL_LOAD_GLOBAL;
}

int vmx_compute(const struct cpu_ops *ops, struct vmx_controls *controls, struct vmx_hidden *hidden)
{
    u64 allowed[WORDS];

    read_allowed(ops, allowed);
    *hidden = (struct vmx_hidden){.cr4 = NEVER_CR4};
    for (u32 i = 0; i < WORDS; i++)
        controls->word[i] = (u32)allowed[i];
    for (u32 i = 0; i < COUNT(table); i++) {
        const struct control *control = &table[i];
        u64 may = allowed[control->word];

        if (!satisfied(control, may))
            return (int)i;
        if (control->need == REQUIRED || control->need == WANTED)
            controls->word[control->word] |= control->bit & may >> 32;
    }
    settle_global_ctrl(controls);
    for (u32 i = 0; i < COUNT(features); i++)
        if (promised(ops, &features[i]))
            add_feature(&features[i], allowed, controls, hidden);
    return VMX_NOTHING_MISSING;
}

const char *vmx_missing_text(int row)
{
    return row >= 0 && row < (int)COUNT(table) ? table[row].missing : "nothing is missing";
}

void vmx_hide(const struct vmx_hidden *hidden, u32 leaf, u32 subleaf, u32 regs[4])
{
    for (u32 i = 0; i < COUNT(features); i++)
        if ((hidden->features & BIT(i)) && features[i].leaf == leaf &&
            features[i].subleaf == subleaf)
            regs[features[i].reg] &= ~(u32)BIT(features[i].bit);
}

void preflight_controls(const struct cpu_ops *ops, void (*row)(const char *name, bool present))
{
    u64 allowed[WORDS];

    read_allowed(ops, allowed);
    for (u32 i = 0; i < COUNT(table); i++)
        if (table[i].need != CLEAR)
            row(table[i].name, allowed[table[i].word] >> 32 & table[i].bit);
}
