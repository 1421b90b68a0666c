/* What the console shows of a core's guest: names of exits, and the state that the core noted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "cpu.h"

static u64 cr2 = 0x2222;
static struct cpu *here;

#define read_cr2() cr2
#define this_cpu() here

#include "fake/fake_vmx.h"
#include "vmx/inspect.c"

static struct cpu cores[2];

u64 vmx_read_cr4(void)
{
    return 0x668;
}

static int set_up(void **state)
{
    (void)state;
    memset(cores, 0, sizeof(cores));
    memset(fake_vmcs, 0, sizeof(fake_vmcs));
    here = &cores[0];
    return 0;
}

static const char *name_of(u32 reason)
{
    cores[1].vmx.reason = reason;
    return vmx_last_exit(&cores[1]);
}

/* SDM appendix C. */
static void each_exit_has_its_name(void **state)
{
    static const struct {
        u32 reason;
        const char *name;
    } rows[] = {
        {3, "init"},   {10, "cpuid"},         {18, "vmcall"}, {28, "mov to cr"}, {30, "in or out"},
        {31, "rdmsr"}, {32, "wrmsr"},         {37, "step"},   {52, "step"},      {55, "xsetbv"},
        {0, "other"},  {48, "ept violation"}, {2, "other"},   {49, "other"},     {54, "other"},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(rows); i++) {
        assert_string_equal(name_of(rows[i].reason), rows[i].name);
        assert_string_equal(name_of(0x28000000 | rows[i].reason), rows[i].name); /* other bits */
    }
}

static void guest_is_here(void)
{
    fake_vmcs[0x802] = 0x10; /* CS */
    fake_vmcs[0x681e] = 0xffffffff81000000;
    fake_vmcs[0x6820] = 0x246;
    fake_vmcs[0x681c] = 0xffffc90000000ff8;
    fake_vmcs[0x6800] = 0x80050033;
    fake_vmcs[0x6802] = 0x7000;
    fake_vmcs[0x6804] = 0x2668; /* with VMXE, which the guest does not see */
    fake_vmcs[0x2806] = 0xd01;
    fake_vmcs[0x4818] = 0xc0f3; /* SS, whose DPL is the CPL (25.4.1) */
    cores[0].regs[RAX] = cores[1].regs[RAX] = 0xaaaa;
}

static const struct guest_state expected = {.cs = 0x10,
                                            .rip = 0xffffffff81000000,
                                            .rflags = 0x246,
                                            .rax = 0xaaaa,
                                            .rsp = 0xffffc90000000ff8,
                                            .cr0 = 0x80050033,
                                            .cr2 = 0x2222,
                                            .cr3 = 0x7000,
                                            .cr4 = 0x668,
                                            .efer = 0xd01,
                                            .cpl = 3};

static void its_own_state_a_core_reads_at_once(void **state)
{
    struct guest_state shown;

    (void)state;
    guest_is_here();
    assert_true(vmx_guest_state(&cores[0], &shown));
    assert_memory_equal(&shown, &expected, sizeof(shown));
}

/* This core's VMCS says nothing about that one's guest. */
static void of_another_it_shows_what_that_one_noted(void **state)
{
    struct guest_state shown;

    (void)state;
    guest_is_here();
    here = &cores[1];
    vmx_note_state(&cores[1]);
    here = &cores[0];
    memset(fake_vmcs, 0x55, sizeof(fake_vmcs));
    assert_true(vmx_guest_state(&cores[1], &shown));
    assert_memory_equal(&shown, &expected, sizeof(shown));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_exit_has_its_name, set_up),
        cmocka_unit_test_setup(its_own_state_a_core_reads_at_once, set_up),
        cmocka_unit_test_setup(of_another_it_shows_what_that_one_noted, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
