/* Branch records between the VMCB and the processor's registers, as grants come and go (APM
 * 15.23.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "svm/svm.h"

#include "svm/lbr.c"

#define BTF 2

struct hv hv;
struct svm svm;
struct pmu pmu;

static u8 *block;
static struct cpu *cpu;
static struct vmcb *vmcb;
static struct guest guest;

static void grant(bool yes)
{
    guest.msr.granted = yes ? BIT(FEATURE_LBR) : (u32)~BIT(FEATURE_LBR);
    svm_set_lbr(cpu);
}

/* As after a guest that has recorded. */
static void record(void)
{
    memset(&vmcb->dbgctl, 0x5a, 6 * sizeof(u64));
    memset(&vmcb->lbr_stack, 0x5a, sizeof(vmcb->lbr_stack) + sizeof(u64));
    vmcb->dbgctl = 0x1800 | BTF | DEBUGCTL_LBR;
    vmcb->dbg_extn_cfg = BIT(6);
    vmcb->clean = CLEAN_ALL;
}

static void expect_no_records(void)
{
    static const u64 none[2 * LBR_STACK + 1];

    assert_memory_equal(&vmcb->br_from, none, 5 * sizeof(u64)); /* and DebugExtnCfg */
    assert_memory_equal(&vmcb->lbr_stack, none, sizeof(none));
}

static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake_msr(IA32_DEBUGCTL, 0, 0x1803);
    fake_msr(MSR_DBG_EXTN_CFG, 0, BIT(6));
    block = aligned_alloc(CPU_BLOCK_SIZE, CPU_BLOCK_SIZE);
    memset(block, 0, CPU_BLOCK_SIZE);
    cpu = (struct cpu *)(block + CPU_STACK_TOP);
    vmcb = cpu_vmcb(cpu);
    memset(&guest, 0, sizeof(guest));
    cpu->guest = &guest;
    pmu = (struct pmu){.amd = {.lbr_stack = true}};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(block);
    return 0;
}

/* APM appendix B: the fields follow each other as in the manual's table. */
static void fields_are_where_the_manual_has_them(void **state)
{
    (void)state;
    assert_int_equal(offsetof(struct vmcb, virtualization), 0xb8);
    assert_int_equal(offsetof(struct vmcb, br_from), 0x678);
    assert_int_equal(offsetof(struct vmcb, br_to), 0x680);
    assert_int_equal(offsetof(struct vmcb, last_excp_from), 0x688);
    assert_int_equal(offsetof(struct vmcb, last_excp_to), 0x690);
    assert_int_equal(offsetof(struct vmcb, dbg_extn_cfg), 0x698);
    assert_int_equal(offsetof(struct vmcb, lbr_stack), 0x400 + 0x670);
    assert_int_equal(offsetof(struct vmcb, lbr_select), 0x400 + 0x770);
}

/* Without the grant nothing is touched; KVM complains of writes. */
static void without_a_grant_all_is_as_ever(void **state)
{
    (void)state;
    wrmsr(IA32_DEBUGCTL, BTF);
    vmcb->clean = CLEAN_ALL;
    grant(false);
    assert_int_equal(vmcb->virtualization, 0);
    assert_int_equal(vmcb->clean, CLEAN_ALL);
    assert_int_equal(rdmsr(IA32_DEBUGCTL), BTF);
    assert_int_equal(svm_guest_debugctl(cpu), BTF);
}

/* DebugCtl goes on as the guest has set it, and begins to be its own; the host's records nothing,
 * whatever firmware left. */
static void a_grant_moves_debugctl_into_the_vmcb(void **state)
{
    (void)state;
    wrmsr(IA32_DEBUGCTL, 0x1000 | BTF | DEBUGCTL_LBR);
    wrmsr(MSR_DBG_EXTN_CFG, BIT(6));
    record();
    grant(true);
    assert_int_equal(vmcb->virtualization, 1);
    assert_int_equal(vmcb->dbgctl, 0x1000 | BTF);
    expect_no_records();
    assert_int_equal(rdmsr(IA32_DEBUGCTL), 0);
    assert_int_equal(rdmsr(MSR_DBG_EXTN_CFG), 0);
    assert_int_equal(vmcb->clean, CLEAN_ALL & ~BIT(10));
    assert_int_equal(svm_guest_debugctl(cpu), 0x1000 | BTF);
}

/* Other bits of the field are not the grant's. */
static void the_other_virtualizations_stay(void **state)
{
    (void)state;
    vmcb->virtualization = 2;
    grant(true);
    assert_int_equal(vmcb->virtualization, 3);
    grant(false);
    assert_int_equal(vmcb->virtualization, 2);
}

static void a_grant_that_stays_changes_nothing(void **state)
{
    struct vmcb before;

    (void)state;
    grant(true);
    record();
    before = *vmcb;
    grant(true);
    assert_memory_equal(vmcb, &before, sizeof(before));
}

/* Records stop and are forgotten; a driver's BTF and freezing go on. */
static void a_withdrawal_forgets_the_records(void **state)
{
    (void)state;
    grant(true);
    record();
    grant(false);
    assert_int_equal(vmcb->virtualization, 0);
    assert_int_equal(vmcb->dbgctl, 0);
    expect_no_records();
    assert_int_equal(rdmsr(IA32_DEBUGCTL), 0x1800 | BTF);
    assert_int_equal(vmcb->clean, CLEAN_ALL & ~BIT(10));
    assert_int_equal(svm_guest_debugctl(cpu), 0x1800 | BTF);
}

/* There DebugExtnCfg is Zen 3's, or not at all: it faults here. */
static void without_a_stack_there_is_no_register_of_it(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake_msr(IA32_DEBUGCTL, 0, 0x3f);
    pmu.amd.lbr_stack = false;
    grant(true);
    assert_int_equal(vmcb->virtualization, 1);
}

static void a_life_begins_without_records(void **state)
{
    (void)state;
    grant(true);
    record();
    svm_forget_branches(vmcb);
    assert_int_equal(vmcb->dbgctl, 0);
    expect_no_records();
    assert_int_equal(vmcb->virtualization, 1);
    assert_int_equal(vmcb->clean, CLEAN_ALL & ~BIT(10));
}

static void a_thousand_times(void **state)
{
    (void)state;
    wrmsr(IA32_DEBUGCTL, 0x1000 | BTF);
    for (u32 i = 0; i < 1000; i++) {
        grant(true);
        vmcb->dbgctl |= DEBUGCTL_LBR;
        vmcb->lbr_stack[31] = 1;
        grant(false);
        assert_int_equal(rdmsr(IA32_DEBUGCTL), 0x1000 | BTF);
        expect_no_records();
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(fields_are_where_the_manual_has_them),
        TEST(without_a_grant_all_is_as_ever),
        TEST(a_grant_moves_debugctl_into_the_vmcb),
        TEST(the_other_virtualizations_stay),
        TEST(a_grant_that_stays_changes_nothing),
        TEST(a_withdrawal_forgets_the_records),
        TEST(without_a_stack_there_is_no_register_of_it),
        TEST(a_life_begins_without_records),
        TEST(a_thousand_times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
