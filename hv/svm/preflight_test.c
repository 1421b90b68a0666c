/* Preflight over a fake processor, which also fails the test when an MSR is read that it does not
 * have. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "preflight.c"

/* EBX, EDX, ECX of leaf 0. */
static struct {
    char vendor[13];
    u32 max_leaf, features, svm_edx, encryption;
    u64 vm_cr, efer, syscfg;
} cpu;

static void fake_cpuid(u32 leaf, u32 subleaf, u32 out[4])
{
    (void)subleaf;
    memset(out, 0, 16);
    if (leaf == 0) {
        out[EAX] = 0xd;
        memcpy(&out[EBX], cpu.vendor, 4);
        memcpy(&out[EDX], cpu.vendor + 4, 4);
        memcpy(&out[ECX], cpu.vendor + 8, 4);
    } else if (leaf == 0x80000000) {
        out[EAX] = cpu.max_leaf;
    } else if (leaf > cpu.max_leaf) {
        memset(out, 0xff, 16); /* what some processors return beyond the end */
    } else if (leaf == CPUID_FEATURES) {
        out[ECX] = cpu.features;
    } else if (leaf == CPUID_SVM_FEATURES) {
        out[EDX] = cpu.svm_edx;
    } else if (leaf == CPUID_MEMORY) {
        out[EAX] = cpu.encryption;
    }
}

static u64 fake_rdmsr(u32 msr)
{
    switch (msr) {
    case IA32_EFER:
        return cpu.efer;
    case MSR_VM_CR:
        assert_true(cpu.features & CPUID_SVM_BIT);
        return cpu.vm_cr;
    case MSR_SYSCFG:
        assert_true(cpu.encryption);
        return cpu.syscfg;
    }
    fail_msg("MSR %x is not promised by CPUID", msr);
    return 0;
}

static const struct cpu_ops fake = {fake_cpuid, fake_rdmsr};

static int reset(void **state)
{
    (void)state;
    memset(&cpu, 0, sizeof cpu);
    strcpy(cpu.vendor, "AuthenticAMD");
    cpu.max_leaf = 0x80000023;
    cpu.features = CPUID_SVM_BIT;
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
        cmocka_unit_test_setup(accepts, reset),      cmocka_unit_test_setup(no_svm, reset),
        cmocka_unit_test_setup(short_leaves, reset), cmocka_unit_test_setup(locked, reset),
        cmocka_unit_test_setup(no_npt, reset),       cmocka_unit_test_setup(in_use, reset),
        cmocka_unit_test_setup(encryption, reset),   cmocka_unit_test(texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
