/* KVM exits for NMIs that are blocked: each is delivered once, when the guest's IRET is over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "svm/nmi_held.c"

static u8 *block;
static struct cpu *cpu;
static struct vmcb *vmcb;
static u32 taken, sent;

static bool gone;

bool svm_take_blocked_nmi(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    taken++;
    return !gone;
}

void apic_send(u32 apic_id, u32 low)
{
    assert_int_equal(apic_id, 6);
    assert_int_equal(low, ICR_MODE_NMI << 8 | ICR_ASSERT);
    sent++;
}

static int set_up(void **state)
{
    (void)state;
    block = aligned_alloc(CPU_BLOCK_SIZE, CPU_BLOCK_SIZE);
    memset(block, 0, CPU_BLOCK_SIZE);
    cpu = (struct cpu *)(block + CPU_STACK_TOP);
    cpu->apic_id = 6;
    vmcb = cpu_vmcb(cpu);
    vmcb->intercept3 = INTERCEPT3_NMI | INTERCEPT3_CPUID;
    vmcb->exceptions = BIT(18);
    vmcb->clean = CLEAN_ALL;
    vmcb->rflags = 2;
    vmcb->dr6 = 0xffff0ff0;
    taken = sent = 0;
    gone = false;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(block);
    return 0;
}

static void the_guest_comes_to_its_iret(void **state)
{
    (void)state;
    svm_hold_nmi(cpu);
    assert_int_equal(taken, 1);
    assert_int_equal(sent, 0); /* it would exit before the first instruction */
    assert_int_equal(vmcb->intercept3, INTERCEPT3_NMI | INTERCEPT3_CPUID | INTERCEPT3_IRET);
    assert_int_equal(vmcb->exceptions, BIT(18));
    assert_false(vmcb->clean & CLEAN_INTERCEPTS);
}

static void nothing_is_held_of_one_that_has_gone(void **state)
{
    (void)state;
    gone = true;
    svm_hold_nmi(cpu);
    assert_int_equal(vmcb->intercept3, INTERCEPT3_NMI | INTERCEPT3_CPUID);
    assert_int_equal(vmcb->clean, CLEAN_ALL);
}

static void iret_is_stepped(void **state)
{
    (void)state;
    svm_hold_nmi(cpu);
    vmcb->clean = CLEAN_ALL;
    svm_iret_exit(cpu);
    assert_int_equal(vmcb->rflags, 2 | RFLAGS_TF);
    assert_int_equal(vmcb->intercept3, INTERCEPT3_NMI | INTERCEPT3_CPUID);
    assert_int_equal(vmcb->exceptions, BIT(18) | BIT(1));
    assert_false(vmcb->clean & CLEAN_INTERCEPTS);
    assert_int_equal(sent, 0);
}

/* IRET has loaded RFLAGS, and the trap DR6. */
static void then_it_is_sent_again_once(void **state)
{
    (void)state;
    svm_hold_nmi(cpu);
    svm_iret_exit(cpu);
    vmcb->rflags = 0x202;
    vmcb->dr6 |= BIT(14);
    vmcb->clean = CLEAN_ALL;
    svm_stepped(cpu);
    assert_int_equal(sent, 1);
    assert_int_equal(vmcb->rflags, 0x202);
    assert_int_equal(vmcb->dr6, 0xffff0ff0);
    assert_int_equal(vmcb->intercept3, INTERCEPT3_NMI | INTERCEPT3_CPUID);
    assert_int_equal(vmcb->exceptions, BIT(18));
    assert_false(vmcb->clean & (CLEAN_INTERCEPTS | CLEAN_DRX));
    assert_int_equal(cpu->exits[EXIT_STEP], 2);
}

/* Also one that comes between IRET's exit and IRET. */
static void several_become_one(void **state)
{
    (void)state;
    svm_hold_nmi(cpu);
    svm_hold_nmi(cpu);
    svm_iret_exit(cpu);
    svm_hold_nmi(cpu);
    assert_int_equal(vmcb->exceptions, BIT(18));
    svm_iret_exit(cpu);
    svm_stepped(cpu);
    assert_int_equal(taken, 3);
    assert_int_equal(sent, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_guest_comes_to_its_iret),
        TEST(nothing_is_held_of_one_that_has_gone),
        TEST(iret_is_stepped),
        TEST(then_it_is_sent_again_once),
        TEST(several_become_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
