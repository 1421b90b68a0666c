/* Whether a processor's VT-x will do, one requirement at a time, and what is compared between the
 * processors of a machine. hv/start/preflight_test.c has the whole of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "pmu/grants_intel.c"
#include "vmx/preflight.c"

/* A processor that will do. */
static struct {
    u64 feature_control, basic, misc, cr0[2], cr4[2], secondary, ept, tme, live_cr4;
    u32 leaf_7_ecx, leaf_a_eax, leaf_80000001_edx, max_leaf;
} cpu;

static u32 secondary_controls;
static int missing;

static void read_cpuid(u32 leaf, u32 subleaf, u32 out[4])
{
    (void)subleaf;
    memset(out, 0, 16);
    if (leaf == 0)
        out[0] = cpu.max_leaf;
    if (leaf == 7)
        out[2] = cpu.leaf_7_ecx;
    if (leaf == 0xa)
        out[0] = cpu.leaf_a_eax;
    if (leaf == 0x80000000)
        out[0] = 0x80000008;
    if (leaf == 0x80000001)
        out[3] = cpu.leaf_80000001_edx;
}

static u64 read_msr(u32 msr)
{
    switch (msr) {
    case 0x3a:
        return cpu.feature_control;
    case 0x480:
        return cpu.basic;
    case 0x485:
        return cpu.misc;
    case 0x486:
    case 0x487:
        return cpu.cr0[msr - 0x486];
    case 0x488:
    case 0x489:
        return cpu.cr4[msr - 0x488];
    case 0x48b:
        return cpu.secondary;
    case 0x48c:
        return cpu.ept;
    case 0x982: /* with CPUID.7 ECX[13] only: else it faults */
        assert_true(cpu.leaf_7_ecx & BIT(13));
        return cpu.tme;
    }
    fail_msg("MSR %x", msr);
    return 0;
}

static u64 read_live_cr4(void)
{
    return cpu.live_cr4;
}

static const struct cpu_ops ops = {read_cpuid, read_msr, read_live_cr4};

int vmx_compute(const struct cpu_ops *of, struct vmx_controls *controls, struct vmx_hidden *hidden)
{
    assert_ptr_equal(of, &ops);
    for (u32 i = 0; i < WORDS; i++)
        controls->word[i] = 0x11 * (i + 1);
    controls->word[WORD_SECONDARY] = secondary_controls;
    *hidden = (struct vmx_hidden){.features = 0x15, .cr4 = 0x2000};
    return missing;
}

/* Appendix A.10, what Cede uses: a walk of 4 levels, write-back, pages of 2 MiB, INVEPT and its
 * all-context type; INVVPID likewise. */
static const u8 ept_bits[] = {6, 14, 16, 20, 26}, vpid_bits[] = {32, 42};

static u64 bits(const u8 *which, u32 count)
{
    u64 value = 0;

    for (u32 i = 0; i < count; i++)
        value |= BIT(which[i]);
    return value;
}

static int set_up(void **state)
{
    (void)state;
    memset(&cpu, 0, sizeof(cpu));
    cpu.feature_control = 5;
    cpu.basic = 6ULL << 50;
    cpu.misc = 1 << 6;
    cpu.ept = bits(ept_bits, COUNT(ept_bits)) | bits(vpid_bits, COUNT(vpid_bits));
    cpu.leaf_80000001_edx = 1 << 20;
    cpu.max_leaf = 0x16;
    secondary_controls = 1 << 5;
    missing = VMX_NOTHING_MISSING;
    return 0;
}

static void expect(enum preflight code)
{
    assert_int_equal(preflight_vmx(&ops), code);
}

/* Appendix A and 24.7: bit 0 locks, bit 2 allows VMXON outside SMX, bit 1 inside. */
static void firmware_may_have_locked_it(void **state)
{
    (void)state;
    for (u32 value = 0; value < 8; value++) {
        cpu.feature_control = value;
        expect((value & 5) == 1 ? PREFLIGHT_VMX_LOCKED : PREFLIGHT_OK);
    }
}

static void somebody_may_use_it(void **state)
{
    (void)state;
    for (u32 bit = 0; bit < 33; bit++) {
        cpu.live_cr4 = BIT(bit);
        expect(bit == 13 ? PREFLIGHT_VMX_IN_USE : PREFLIGHT_OK);
    }
}

/* IA32_VMX_BASIC 53:50: 6 is write-back. */
static void a_vmcs_is_in_memory_that_is_written_back(void **state)
{
    (void)state;
    for (u64 type = 0; type < 16; type++) {
        cpu.basic = type << 50 | ~(15ULL << 50);
        expect(type == 6 ? PREFLIGHT_OK : PREFLIGHT_VMX_MEMORY);
    }
}

static void the_control_that_is_missing_is_named(void **state)
{
    (void)state;
    missing = 0;
    expect((enum preflight)100);
    missing = 7;
    expect((enum preflight)107);
}

/* IA32_VMX_MISC bit 6: the activity state HLT. */
static void a_guest_must_be_able_to_halt(void **state)
{
    (void)state;
    cpu.misc = ~(1ULL << 6);
    expect(PREFLIGHT_VMX_HALT);
}

static void each_capability_of_epts_is_needed(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(ept_bits); i++) {
        set_up(NULL);
        cpu.ept = ~BIT(ept_bits[i]);
        expect(PREFLIGHT_EPT_POOR);
    }
}

static void those_of_vpids_are_needed_where_they_are_used(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(vpid_bits); i++) {
        set_up(NULL);
        cpu.ept &= ~BIT(vpid_bits[i]);
        expect(PREFLIGHT_EPT_POOR);
        secondary_controls = ~(1U << 5);
        expect(PREFLIGHT_OK);
    }
}

/* IA32_TME_ACTIVATE: bit 1 enables, 35:32 are bits of key identifiers. */
static void memory_keys_make_aliases(void **state)
{
    (void)state;
    for (u32 bit = 0; bit < 64; bit++) {
        cpu.leaf_7_ecx = 1 << 13;
        cpu.tme = BIT(bit) | BIT(1);
        expect(bit >= 32 && bit <= 35 ? PREFLIGHT_MEMORY_KEYS : PREFLIGHT_OK);
        cpu.tme = BIT(bit);
        expect(PREFLIGHT_OK);
        cpu.leaf_7_ecx = ~(1U << 13);
        expect(PREFLIGHT_OK);
    }
}

static void pages_must_be_able_to_hold_no_code(void **state)
{
    (void)state;
    cpu.leaf_80000001_edx = ~(1U << 20);
    expect(PREFLIGHT_NO_NX);
}

static struct preflight_traits traits(void)
{
    struct preflight_traits read;

    memset(&read, 0, sizeof(read));
    preflight_vmx_traits(&ops, &read);
    return read;
}

static void what_cede_goes_by_is_compared(void **state)
{
    struct preflight_traits seen;

    (void)state;
    cpu.basic = ~BIT(31);
    cpu.cr0[0] = 0xffffffff80000021;
    cpu.cr0[1] = 0xfffffff7;
    cpu.cr4[0] = 0x1200002000;
    cpu.cr4[1] = 0x3767ff;
    cpu.ept = ~0ULL;
    cpu.secondary = 0x55000000aa;
    seen = traits();
    assert_int_equal(seen.of[TRAIT_PIN], 0x11);
    assert_int_equal(seen.of[TRAIT_PRIMARY], 0x22);
    assert_int_equal(seen.of[TRAIT_SECONDARY], 0x20);
    assert_int_equal(seen.of[TRAIT_EXIT], 0x44);
    assert_int_equal(seen.of[TRAIT_ENTRY], 0x55);
    assert_int_equal(seen.of[TRAIT_VMCS], 0x7fffffff);
    assert_int_equal(seen.of[TRAIT_HIDDEN], 0x200000000015);
    assert_int_equal(seen.of[TRAIT_CR0], 0xfffffff780000021);
    assert_int_equal(seen.of[TRAIT_CR4], 0x3767ff00002000);
    assert_int_equal(seen.of[TRAIT_EPT], BIT(17) | BIT(7));
    assert_int_equal(seen.of[TRAIT_WBINVD], 0x40);
    assert_int_equal(seen.of[TRAIT_GLOBAL_CTRL], 0);
    assert_int_equal(seen.of[TRAIT_ADDRESSES], 0); /* others fill these in */
    assert_int_equal(seen.of[TRAIT_SVM], 0);
    cpu.secondary = ~(0x40ULL << 32);
    assert_int_equal(traits().of[TRAIT_WBINVD], 0);
}

/* From version 2 on, in bits 7:0. */
static void global_ctrl_exists_with_perfmon_2(void **state)
{
    (void)state;
    for (u32 version = 0; version < 256; version++) {
        cpu.leaf_a_eax = 0x7300400 | version;
        assert_int_equal(traits().of[TRAIT_GLOBAL_CTRL], version >= 2);
    }
    cpu.max_leaf = 9;
    assert_int_equal(traits().of[TRAIT_GLOBAL_CTRL], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(firmware_may_have_locked_it, set_up),
        cmocka_unit_test_setup(somebody_may_use_it, set_up),
        cmocka_unit_test_setup(a_vmcs_is_in_memory_that_is_written_back, set_up),
        cmocka_unit_test_setup(the_control_that_is_missing_is_named, set_up),
        cmocka_unit_test_setup(a_guest_must_be_able_to_halt, set_up),
        cmocka_unit_test_setup(each_capability_of_epts_is_needed, set_up),
        cmocka_unit_test_setup(those_of_vpids_are_needed_where_they_are_used, set_up),
        cmocka_unit_test_setup(memory_keys_make_aliases, set_up),
        cmocka_unit_test_setup(pages_must_be_able_to_hold_no_code, set_up),
        cmocka_unit_test_setup(what_cede_goes_by_is_compared, set_up),
        cmocka_unit_test_setup(global_ctrl_exists_with_perfmon_2, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
