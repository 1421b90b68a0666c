/* Preflight over a fake processor, which also fails the test when an MSR is read that it does not
 * have. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "start/preflight.c"
#include "svm/preflight.c"
#include "vmx/controls.c"
#include "pmu/grants_intel.c"
#include "vmx/preflight.c"

#define SVM_BIT BIT(2) /* 8000_0001 ECX */
#define VMX_BIT BIT(5) /* 1 ECX */

/* EBX, EDX, ECX of leaf 0. */
static struct {
    char vendor[13];
    u32 max_leaf, features, svm_edx, encryption;
    bool no_nx;
    u64 vm_cr, efer, syscfg;
    u32 leaf_1_ecx, leaf_7[4], leaf_d1[4];
    u64 cr4, feature_control, basic, misc, fixed[4], ept_vpid, tme;
    u32 address_bits, leaf_a, leaf_80000021;
    u64 allowed[WORDS];
} cpu;

static void fake_cpuid(u32 leaf, u32 subleaf, u32 out[4])
{
    memset(out, 0, 16);
    if (leaf == 1)
        out[ECX] = cpu.leaf_1_ecx;
    if (leaf == 7 && subleaf == 0)
        memcpy(out, cpu.leaf_7, 16);
    if (leaf == 0xd && subleaf == 1)
        memcpy(out, cpu.leaf_d1, 16);
    if (leaf == 0xa)
        out[EAX] = cpu.leaf_a;
    if (leaf == 0) {
        out[EAX] = 0xd;
        memcpy(&out[EBX], cpu.vendor, 4);
        memcpy(&out[EDX], cpu.vendor + 4, 4);
        memcpy(&out[ECX], cpu.vendor + 8, 4);
    } else if (leaf == 0x80000000) {
        out[EAX] = cpu.max_leaf;
    } else if (leaf >> 31 && leaf > cpu.max_leaf) {
        memset(out, 0xff, 16); /* what some processors return beyond the end */
    } else if (leaf == 0x80000001) {
        out[ECX] = cpu.features;
        out[EDX] = cpu.no_nx ? 0 : (u32)BIT(20);
    } else if (leaf == CPUID_SVM_FEATURES) {
        out[EDX] = cpu.svm_edx;
    } else if (leaf == CPUID_MEMORY) {
        out[EAX] = cpu.encryption;
    } else if (leaf == 0x80000008) {
        out[EAX] = 0x3000 | cpu.address_bits;
    } else if (leaf == 0x80000021) {
        out[EAX] = cpu.leaf_80000021;
    }
}

static u64 fake_vmx_msr(u32 msr)
{
    u32 base =
        cpu.basic & VMX_BASIC_TRUE_CONTROLS ? IA32_VMX_TRUE_PINBASED_CTLS : IA32_VMX_PINBASED_CTLS;

    if (!(cpu.leaf_1_ecx & VMX_BIT))
        fail_msg("MSR %x is not promised by CPUID", msr);
    if (msr == IA32_FEATURE_CONTROL)
        return cpu.feature_control;
    if (msr == IA32_VMX_BASIC)
        return cpu.basic;
    if (msr == IA32_VMX_MISC)
        return cpu.misc;
    if (msr - IA32_VMX_CR0_FIXED0 < 4)
        return cpu.fixed[msr - IA32_VMX_CR0_FIXED0];
    if (msr == base || msr == base + 1)
        return cpu.allowed[msr - base];
    if (msr == base + 2 || msr == base + 3)
        return cpu.allowed[WORD_EXIT + msr - base - 2];
    if (msr == IA32_VMX_PROCBASED_CTLS2 && cpu.allowed[WORD_PRIMARY] >> 32 & PRIMARY_SECONDARY)
        return cpu.allowed[WORD_SECONDARY];
    if (msr == IA32_VMX_EPT_VPID_CAP && cpu.allowed[WORD_SECONDARY] >> 32 & SECONDARY_EPT)
        return cpu.ept_vpid;
    if (msr == IA32_TME_ACTIVATE && cpu.leaf_7[ECX] & BIT(13))
        return cpu.tme;
    fail_msg("MSR %x does not exist", msr);
    return 0;
}

static u64 fake_rdmsr(u32 msr)
{
    switch (msr) {
    case IA32_EFER:
        return cpu.efer;
    case MSR_VM_CR:
        assert_true(cpu.features & SVM_BIT);
        return cpu.vm_cr;
    case MSR_SYSCFG:
        assert_true(cpu.encryption);
        return cpu.syscfg;
    }
    return fake_vmx_msr(msr);
}

static u64 fake_cr4(void)
{
    return cpu.cr4;
}

static const struct cpu_ops fake = {fake_cpuid, fake_rdmsr, fake_cr4};

static int reset(void **state)
{
    (void)state;
    memset(&cpu, 0, sizeof cpu);
    strcpy(cpu.vendor, "AuthenticAMD");
    cpu.max_leaf = 0x80000023;
    cpu.features = SVM_BIT;
    cpu.svm_edx = CPUID_NPT_BIT;
    cpu.efer = EFER_LME | EFER_LMA;
    return 0;
}

static void accepts(void **state)
{
    (void)state;
    assert_int_equal(preflight(&fake), PREFLIGHT_OK);
    strcpy(cpu.vendor, "HygonGenuine");
    assert_int_equal(preflight(&fake), PREFLIGHT_OK);
    strcpy(cpu.vendor, "SomebodyElse");
    assert_int_equal(preflight(&fake), PREFLIGHT_OK);
}

static void no_svm(void **state)
{
    (void)state;
    cpu.features = 0;
    assert_int_equal(preflight(&fake), PREFLIGHT_NO_SVM);
    strcpy(cpu.vendor, "HygonGenuine");
    assert_int_equal(preflight(&fake), PREFLIGHT_NO_SVM);
    strcpy(cpu.vendor, "GenuineIntel");
    assert_int_equal(preflight(&fake), PREFLIGHT_NO_VMX);
    strcpy(cpu.vendor, "SomebodyElse");
    assert_int_equal(preflight(&fake), PREFLIGHT_VENDOR);
}

/* Leaves beyond the maximum hold anything: they must not be believed. */
static void short_leaves(void **state)
{
    (void)state;
    cpu.max_leaf = 0x80000000;
    assert_int_equal(preflight(&fake), PREFLIGHT_NO_SVM);
    cpu.max_leaf = 0x80000008;
    assert_int_equal(preflight(&fake), PREFLIGHT_NO_NPT);
    cpu.max_leaf = 0x8000000a;
    assert_int_equal(preflight(&fake), PREFLIGHT_OK);
    cpu.max_leaf = 0;
    assert_int_equal(preflight(&fake), PREFLIGHT_NO_SVM);
}

static void locked(void **state)
{
    (void)state;
    cpu.vm_cr = VM_CR_LOCK;
    assert_int_equal(preflight(&fake), PREFLIGHT_OK);
    cpu.vm_cr = VM_CR_SVMDIS;
    assert_int_equal(preflight(&fake), PREFLIGHT_SVM_LOCKED);
    cpu.vm_cr |= VM_CR_LOCK;
    assert_int_equal(preflight(&fake), PREFLIGHT_SVM_LOCKED);
}

static void no_npt(void **state)
{
    (void)state;
    cpu.svm_edx = ~(u32)CPUID_NPT_BIT;
    assert_int_equal(preflight(&fake), PREFLIGHT_NO_NPT);
}

static void in_use(void **state)
{
    (void)state;
    cpu.efer |= EFER_SVME;
    assert_int_equal(preflight(&fake), PREFLIGHT_SVM_IN_USE);
}

static void encryption(void **state)
{
    (void)state;
    cpu.syscfg = SYSCFG_MEM_ENCRYPTION;
    assert_int_equal(preflight(&fake),
                     PREFLIGHT_OK); /* the bit means nothing without the feature */
    cpu.encryption = 1;
    assert_int_equal(preflight(&fake), PREFLIGHT_ENCRYPTION);
    cpu.syscfg = SYSCFG_SNP;
    assert_int_equal(preflight(&fake), PREFLIGHT_ENCRYPTION);
    cpu.syscfg = 0;
    assert_int_equal(preflight(&fake), PREFLIGHT_OK);
}

/* APM 3, appendix E: SME, SEV and SEV-SNP are bits 0, 1 and 4. */
static void each_kind_of_encryption_counts(void **state)
{
    (void)state;
    cpu.syscfg = BIT(23);
    for (u32 bit = 0; bit < 32; bit++) {
        bool counts = bit == 0 || bit == 1 || bit == 4;

        cpu.encryption = (u32)BIT(bit);
        assert_int_equal(preflight(&fake), counts ? PREFLIGHT_ENCRYPTION : PREFLIGHT_OK);
    }
    cpu.encryption = 0x13;
    cpu.syscfg = ~(BIT(23) | BIT(24));
    assert_int_equal(preflight(&fake), PREFLIGHT_OK);
}

/* Every control can be 1, and those that are not reserved can be 0. */
static int intel(void **state)
{
    reset(state);
    strcpy(cpu.vendor, "GenuineIntel");
    cpu.features = 0;
    cpu.leaf_1_ecx = VMX_BIT;
    cpu.feature_control = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMXON;
    cpu.basic = VMX_BASIC_TRUE_CONTROLS | (u64)VMX_MEMORY_WRITE_BACK << 50;
    for (u32 i = 0; i < WORDS; i++)
        cpu.allowed[i] = ~0ULL << 32;
    cpu.allowed[WORD_PIN] |= 0x16;
    cpu.allowed[WORD_PRIMARY] |= 0x4006172;
    cpu.allowed[WORD_EXIT] |= 0x36dfb;
    cpu.allowed[WORD_ENTRY] |= 0x11fb;
    cpu.misc = VMX_MISC_HLT;
    cpu.ept_vpid = EPT_NEEDED | VPID_NEEDED;
    return 0;
}

static void vmx_accepts(void **state)
{
    (void)state;
    assert_int_equal(preflight(&fake), PREFLIGHT_OK);
    cpu.feature_control = 0; /* not locked: Cede sets it */
    assert_int_equal(preflight(&fake), PREFLIGHT_OK);
    cpu.allowed[WORD_SECONDARY] &= ~(SECONDARY_VPID << 32);
    cpu.ept_vpid = EPT_NEEDED;
    assert_int_equal(preflight(&fake), PREFLIGHT_OK);
}

static void vmx_refuses(void **state)
{
    (void)state;
    cpu.feature_control = FEATURE_CONTROL_LOCK;
    assert_int_equal(preflight(&fake), PREFLIGHT_VMX_LOCKED);
    intel(NULL);
    cpu.cr4 = CR4_VMXE;
    assert_int_equal(preflight(&fake), PREFLIGHT_VMX_IN_USE);
    intel(NULL);
    cpu.basic = VMX_BASIC_TRUE_CONTROLS;
    assert_int_equal(preflight(&fake), PREFLIGHT_VMX_MEMORY);
    intel(NULL);
    cpu.misc = ~VMX_MISC_HLT;
    assert_int_equal(preflight(&fake), PREFLIGHT_VMX_HALT);
    intel(NULL);
    cpu.ept_vpid &= ~EPT_CAP_2MIB;
    assert_int_equal(preflight(&fake), PREFLIGHT_EPT_POOR);
    intel(NULL);
    cpu.ept_vpid &= ~EPT_CAP_INVVPID_ALL;
    assert_int_equal(preflight(&fake), PREFLIGHT_EPT_POOR);
    intel(NULL);
    cpu.leaf_7[ECX] = BIT(13);
    assert_int_equal(preflight(&fake), PREFLIGHT_OK);
    cpu.tme = TME_ACTIVATE_ENABLE;
    assert_int_equal(preflight(&fake), PREFLIGHT_OK); /* one key: no aliases */
    cpu.tme |= 6ULL << 32;
    assert_int_equal(preflight(&fake), PREFLIGHT_MEMORY_KEYS);
}

static void without_nx(void **state)
{
    (void)state;
    cpu.no_nx = true;
    assert_int_equal(preflight(&fake), PREFLIGHT_NO_NX);
}

/* Each row of the table for itself: the refusal names it. */
static void each_missing_control_is_named(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(table); i++) {
        const char *text;

        intel(NULL);
        if (table[i].need == WANTED)
            continue;
        if (table[i].need == CLEAR)
            cpu.allowed[table[i].word] |= table[i].bit;
        else
            cpu.allowed[table[i].word] &= ~((u64)table[i].bit << 32);
        text = preflight_text(preflight(&fake));
        assert_non_null(strstr(text, table[i].name));
        assert_non_null(strstr(text, "which Cede needs"));
    }
}

static void without_true_controls(void **state)
{
    (void)state;
    cpu.basic &= ~VMX_BASIC_TRUE_CONTROLS;
    assert_int_equal(preflight(&fake), PREFLIGHT_OK);
    cpu.allowed[WORD_PRIMARY] |= PRIMARY_CR3_LOAD; /* what the old MSRs say of every processor */
    assert_non_null(strstr(preflight_text(preflight(&fake)), "CR3 loads"));
}

static void controls_are_what_is_wanted(void **state)
{
    struct vmx_controls c;
    struct vmx_hidden h;

    (void)state;
    assert_int_equal(vmx_compute(&fake, &c, &h), VMX_NOTHING_MISSING);
    assert_int_equal(c.word[WORD_PIN], 0x16);
    assert_int_equal(c.word[WORD_PRIMARY] & ~0x4006172U,
                     PRIMARY_SECONDARY | PRIMARY_MSR_BITMAPS | PRIMARY_IO_BITMAPS);
    assert_int_equal(c.word[WORD_SECONDARY], SECONDARY_EPT | SECONDARY_UNRESTRICTED |
                                                 SECONDARY_RDTSCP | SECONDARY_VPID |
                                                 SECONDARY_ENCLS);
    assert_false(c.word[WORD_ENTRY] & ENTRYCTL_LONG); /* the guest's mode decides */
    assert_true(c.word[WORD_EXIT] & EXITCTL_SAVE_GLOBAL);
}

/* Without the control that saves it, the others must not be used either. */
static void global_ctrl_is_all_or_nothing(void **state)
{
    struct vmx_controls c;
    struct vmx_hidden h;

    (void)state;
    cpu.allowed[WORD_EXIT] &= ~((u64)EXITCTL_SAVE_GLOBAL << 32);
    assert_int_equal(vmx_compute(&fake, &c, &h), VMX_NOTHING_MISSING);
    assert_false(c.word[WORD_EXIT] & (EXITCTL_LOAD_GLOBAL | EXITCTL_SAVE_GLOBAL));
    assert_false(c.word[WORD_ENTRY] & ENTRYCTL_LOAD_GLOBAL);
}

static void features_have_their_control_or_are_hidden(void **state)
{
    u32 regs[4] = {~0U, ~0U, ~0U, ~0U};
    struct vmx_controls c;
    struct vmx_hidden h;

    (void)state;
    cpu.leaf_7[EBX] = BIT(10) | BIT(14);
    cpu.leaf_7[ECX] = BIT(7) | BIT(5);
    cpu.leaf_7[EDX] = BIT(18);
    cpu.leaf_d1[EAX] = BIT(3);
    cpu.allowed[WORD_SECONDARY] &= ~(SECONDARY_WAITPKG << 32);
    cpu.allowed[WORD_ENTRY] &= ~(ENTRYCTL_LOAD_CET << 32);
    assert_int_equal(vmx_compute(&fake, &c, &h), VMX_NOTHING_MISSING);
    assert_true(c.word[WORD_SECONDARY] & SECONDARY_INVPCID);
    assert_true(c.word[WORD_SECONDARY] & SECONDARY_XSAVES);
    assert_true(c.word[WORD_EXIT] & EXITCTL_CLEAR_BND);
    assert_false(c.word[WORD_EXIT] & EXITCTL_LOAD_CET);
    assert_int_equal(h.cr4, CR4_VMXE | CR4_SMXE | CR4_FRED | CR4_CET);
    vmx_hide(&h, 7, 0, regs);
    assert_int_equal(regs[EBX], ~0U);
    assert_int_equal(regs[ECX], ~(u32)(BIT(7) | BIT(5)));
    assert_int_equal(regs[EDX], ~(u32)BIT(18));
    vmx_hide(&h, 0xd, 1, regs);
    assert_int_equal(regs[EAX], ~0U);
}

/* --- a processor that passes by itself, but not beside this one ----------------------------------
 */

static struct preflight_traits traits_now(void)
{
    struct preflight_traits traits;

    memset(&traits, 0x5a, sizeof(traits));
    assert_int_equal(preflight(&fake), PREFLIGHT_OK);
    preflight_traits(&fake, &traits);
    return traits;
}

static enum preflight_trait differs_from(const struct preflight_traits *boot)
{
    struct preflight_traits now = traits_now();

    assert_int_equal(preflight_differ(&now, boot), preflight_differ(boot, &now));
    return preflight_differ(&now, boot);
}

static void amd_processors_are_compared(void **state)
{
    struct preflight_traits boot = traits_now();

    (void)state;
    assert_int_equal(differs_from(&boot), TRAITS);
    cpu.svm_edx |= BIT(3) | BIT(16); /* nothing that Cede goes by */
    assert_int_equal(differs_from(&boot), TRAITS);
    for (u32 bit = 0; bit < 32; bit++) {
        reset(NULL);
        cpu.svm_edx |= (u32)BIT(bit);
        assert_int_equal(differs_from(&boot) == TRAIT_SVM, bit == 6 || bit == 7 || bit == 20);
    }
    reset(NULL);
    cpu.leaf_80000021 = (u32)BIT(24);
    assert_int_equal(differs_from(&boot), TRAIT_SVM);
    reset(NULL);
    cpu.address_bits = 48;
    assert_int_equal(differs_from(&boot), TRAIT_ADDRESSES);
}

static void intel_processors_are_compared(void **state)
{
    static const struct {
        u8 word;
        u32 control;
        enum preflight_trait trait;
    } controls[] = {
        {WORD_PIN, 0, TRAIT_PIN},
        {WORD_PRIMARY, 0, TRAIT_PRIMARY},
        {WORD_SECONDARY, SECONDARY_VPID, TRAIT_SECONDARY},
        {WORD_SECONDARY, SECONDARY_WBINVD, TRAIT_WBINVD},
        {WORD_EXIT, EXITCTL_SAVE_GLOBAL, TRAIT_EXIT},
        {WORD_ENTRY, 0, TRAIT_ENTRY},
    };
    struct preflight_traits boot = traits_now();

    (void)state;
    assert_int_equal(differs_from(&boot), TRAITS);
    for (u32 i = 0; i < COUNT(controls); i++) {
        intel(NULL);
        if (controls[i].control)
            cpu.allowed[controls[i].word] &= ~((u64)controls[i].control << 32);
        else
            cpu.allowed[controls[i].word] |= BIT(22); /* must be 1 there */
        assert_int_equal(differs_from(&boot), controls[i].trait);
    }
    intel(NULL);
    cpu.basic |= 7;
    assert_int_equal(differs_from(&boot), TRAIT_VMCS);
    intel(NULL);
    cpu.leaf_7[ECX] = BIT(5); /* WAITPKG: with its control, which is in the words */
    assert_int_equal(differs_from(&boot), TRAIT_SECONDARY);
    intel(NULL);
    cpu.leaf_7[EDX] = BIT(18); /* PCONFIG: hidden */
    assert_int_equal(differs_from(&boot), TRAIT_HIDDEN);
    for (u32 i = 0; i < 4; i++) {
        intel(NULL);
        cpu.fixed[i] = BIT(13);
        assert_int_equal(differs_from(&boot), i < 2 ? TRAIT_CR0 : TRAIT_CR4);
    }
    intel(NULL);
    cpu.ept_vpid |= EPT_CAP_1GIB;
    assert_int_equal(differs_from(&boot), TRAIT_EPT);
    intel(NULL);
    cpu.leaf_a = 2;
    assert_int_equal(differs_from(&boot), TRAIT_GLOBAL_CTRL);
    intel(NULL);
    cpu.misc |= 5; /* the preemption timer's rate: nothing that Cede goes by */
    assert_int_equal(differs_from(&boot), TRAITS);
}

static void each_difference_has_a_name(void **state)
{
    (void)state;
    for (u32 i = 0; i < TRAITS; i++)
        assert_true(strlen(preflight_trait_text((enum preflight_trait)i)) > 8);
    assert_string_equal(preflight_trait_text(TRAITS), "nothing");
}

static void texts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PREFLIGHT_COUNT; i++)
        assert_true(strlen(preflight_text((enum preflight)i)) > 10);
    assert_non_null(preflight_text((enum preflight)99));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(accepts, reset),
        cmocka_unit_test_setup(no_svm, reset),
        cmocka_unit_test_setup(short_leaves, reset),
        cmocka_unit_test_setup(locked, reset),
        cmocka_unit_test_setup(no_npt, reset),
        cmocka_unit_test_setup(in_use, reset),
        cmocka_unit_test_setup(encryption, reset),
        cmocka_unit_test_setup(each_kind_of_encryption_counts, reset),
        cmocka_unit_test(texts),
        cmocka_unit_test_setup(amd_processors_are_compared, reset),
        cmocka_unit_test_setup(intel_processors_are_compared, intel),
        cmocka_unit_test(each_difference_has_a_name),
        cmocka_unit_test_setup(vmx_accepts, intel),
        cmocka_unit_test_setup(vmx_refuses, intel),
        cmocka_unit_test_setup(without_nx, intel),
        cmocka_unit_test_setup(without_nx, reset),
        cmocka_unit_test_setup(each_missing_control_is_named, intel),
        cmocka_unit_test_setup(without_true_controls, intel),
        cmocka_unit_test_setup(controls_are_what_is_wanted, intel),
        cmocka_unit_test_setup(global_ctrl_is_all_or_nothing, intel),
        cmocka_unit_test_setup(features_have_their_control_or_are_hidden, intel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
