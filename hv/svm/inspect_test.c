/* What the console shows: names of exits by their codes (APM 2, appendix C), and the guest's state
 * as the guest knows it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "svm/inspect.c"

static u8 *block;
static struct cpu *cpu;
static struct vmcb *vmcb;

static int set_up(void **state)
{
    (void)state;
    block = aligned_alloc(CPU_BLOCK_SIZE, CPU_BLOCK_SIZE);
    memset(block, 0, CPU_BLOCK_SIZE);
    cpu = (struct cpu *)(block + CPU_STACK_TOP);
    vmcb = cpu_vmcb(cpu);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(block);
    return 0;
}

static void exits_have_their_names(void **state)
{
    static const struct {
        u64 code, info1;
        const char *name;
    } exits[] = {
        {0x72, 0, "cpuid"},
        {0x7c, 0, "rdmsr"},
        {0x7c, 1, "wrmsr"},
        {0x400, 0, "nested page fault"},
        {0x400, 0x100000006, "nested page fault"},
        {0x7b, 0x03f80011, "in"},
        {0x7b, 0x03f80010, "out"},
        {0x7b, 0x03f80216, "out"}, /* a string */
        {0x81, 0, "vmmcall"},
        {0x63, 0, "init"},
        {0x61, 0, "nmi"},
        {0x62, 0, "smi"},
        {0x76, 0, "invd"},
        {0x7f, 0, "shutdown"},
        {0x80, 0, "other"},
        {0, 0, "other"},
        {~0ULL, 0, "other"},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(exits); i++) {
        vmcb->exit_code = exits[i].code;
        vmcb->exit_info1 = exits[i].info1;
        assert_string_equal(svm_last_exit(cpu), exits[i].name);
    }
}

static void the_guests_state_is_all_there(void **state)
{
    struct guest_state seen;

    (void)state;
    vmcb->cs.selector = 0x33;
    vmcb->rip = 1;
    vmcb->rflags = 2;
    vmcb->rax = 3;
    vmcb->rsp = 4;
    vmcb->cr0 = 5;
    vmcb->cr2 = 6;
    vmcb->cr3 = 7;
    vmcb->cr4 = 8;
    vmcb->efer = 0xd01;
    vmcb->cpl = 3;
    assert_true(svm_guest_state(cpu, &seen));
    assert_int_equal(seen.cs, 0x33);
    assert_int_equal(seen.rip, 1);
    assert_int_equal(seen.rflags, 2);
    assert_int_equal(seen.rax, 3);
    assert_int_equal(seen.rsp, 4);
    assert_int_equal(seen.cr0, 5);
    assert_int_equal(seen.cr2, 6);
    assert_int_equal(seen.cr3, 7);
    assert_int_equal(seen.cr4, 8);
    assert_int_equal(seen.efer, 0xd01);
    assert_int_equal(seen.cpl, 3);
}

/* It is VMRUN's (APM 15.5.1), and the guest reads it as 0. */
static void svme_is_not_the_guests(void **state)
{
    struct guest_state seen;

    (void)state;
    vmcb->efer = 0x1d01;
    assert_true(svm_guest_state(cpu, &seen));
    assert_int_equal(seen.efer, 0xd01);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(exits_have_their_names),
        TEST(the_guests_state_is_all_there),
        TEST(svme_is_not_the_guests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
