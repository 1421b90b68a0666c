/* CR0 and CR4 as a guest meets them, bit by bit, with a processor that does what section 25.3 of
 * the SDM says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "fake/fake_vmx.h"
#include "vmx/cr.c"

struct hv hv;
struct vmx vmx;

static struct guest guest;
static struct cpu cpu;
static u32 faults;

void vmx_inject_gp(void)
{
    faults++;
}

#define CR0_FIXED   0x80000021ULL  /* PG, NE, PE */
#define CR4_FIXED   0x2000ULL      /* VMXE */
#define CR4_HIDDEN  0x100806000ULL /* FRED, CET, SMXE, VMXE */
#define CR0_ALLOWED 0xffffffffULL
#define CR4_ALLOWED 0x3767ffULL

static int set_up(void **state)
{
    (void)state;
    memset(fake_vmcs, 0, sizeof(fake_vmcs));
    memset(&cpu, 0, sizeof(cpu));
    guest = (struct guest){.index = 0};
    cpu.guest = &guest;
    vmx = (struct vmx){.cr0_fixed0 = CR0_FIXED,
                       .cr0_fixed1 = CR0_ALLOWED,
                       .cr4_fixed0 = CR4_FIXED,
                       .cr4_fixed1 = CR4_ALLOWED,
                       .hidden = {.cr4 = CR4_HIDDEN}};
    faults = 0;
    return 0;
}

static int partition(void **state)
{
    set_up(state);
    guest.index = 3;
    return 0;
}

/* A control register by its fields: mask, shadow, register. */
static const u32 cr0[] = {0x6000, 0x6004, 0x6800}, cr4[] = {0x6002, 0x6006, 0x6804};

static u64 guest_reads(const u32 *cr)
{
    u64 mask = fake_vmcs[cr[0]];

    return (fake_vmcs[cr[1]] & mask) | (fake_vmcs[cr[2]] & ~mask);
}

/* MOV to the register from R9, executed until it does not exit. -> whether it did not fault */
static bool guest_moves(const u32 *cr, u64 value)
{
    u32 before = faults, exits = 0;

    cpu.regs[R9] = value;
    fake_vmcs[0x6400] = (cr == cr4 ? 4 : 0) | R9 << 8;
    while ((value ^ fake_vmcs[cr[1]]) & fake_vmcs[cr[0]]) {
        assert_true(exits++ == 0); /* the second time it is through */
        vmx_cr_exit(&cpu);
        if (faults != before)
            return false;
    }
    fake_vmcs[cr[2]] = (fake_vmcs[cr[2]] & fake_vmcs[cr[0]]) | (value & ~fake_vmcs[cr[0]]);
    return true;
}

/* Reads back what it wrote, and the processor has what VMX and Cede want of it. */
static void expect(const u32 *cr, u64 reads, u64 must, u64 must_not)
{
    assert_int_equal(guest_reads(cr), reads);
    assert_int_equal(fake_vmcs[cr[2]] & must, must);
    assert_int_equal(fake_vmcs[cr[2]] & must_not, 0);
}

static void write_cr0_bit_by_bit(u64 must, u64 must_not)
{
    vmx_write_cr0(&cpu, 0x10);
    expect(cr0, 0x10, must, must_not);
    for (u32 bit = 0; bit < 32; bit++)
        for (u32 set = 0; set < 2; set++) {
            u64 value = set ? BIT(bit) : 0xffffffff & ~BIT(bit);

            assert_true(guest_moves(cr0, value));
            expect(cr0, value, must | (value & ~must_not), must_not);
            vmx_write_cr0(&cpu, value);
            expect(cr0, value, must, 0);
        }
}

/* 24.8: an unrestricted guest may clear PE and PG. */
static void cr0_is_the_guests_but_for_ne(void **state)
{
    (void)state;
    write_cr0_bit_by_bit(0x20, 0);
    assert_int_equal(fake_vmcs[0x6000], 0x20);
}

/* CD and NW, which it sees as it set them. */
static void a_partition_switches_no_cache_off(void **state)
{
    (void)state;
    vmx_write_cr0(&cpu, 0x10);
    assert_int_equal(fake_vmcs[0x6000], 0x60000020);
    for (u32 i = 0; i < 4; i++) {
        u64 value = 0x31 | (u64)i << 29;

        assert_true(guest_moves(cr0, value));
        expect(cr0, value, 0x31, 0x60000000);
    }
}

/* 24.8: bits that the processor does not take; the guest's own write of them would fault. */
static void what_vmx_forbids_stays_clear(void **state)
{
    (void)state;
    vmx.cr0_fixed1 = 0xefffffff;
    vmx_write_cr0(&cpu, 0xffffffff);
    assert_int_equal(fake_vmcs[0x6800], 0xefffffff);
    vmx_write_cr4(&cpu, ~0ULL);
    assert_int_equal(fake_vmcs[0x6804], CR4_ALLOWED & ~0x4000ULL); /* SMXE is hidden besides */
}

static void write_cr4_bit_by_bit(u64 must)
{
    for (u32 bit = 0; bit < 33; bit++)
        for (u32 set = 0; set < 2; set++) {
            u64 value = set ? BIT(bit) : ~CR4_HIDDEN & MASK(32, 0) & ~BIT(bit);

            vmx_write_cr4(&cpu, 0x20);
            if (value & CR4_HIDDEN) {
                assert_false(guest_moves(cr4, value));
                expect(cr4, 0x20, must, CR4_HIDDEN & ~must);
                continue;
            }
            assert_true(guest_moves(cr4, value));
            expect(cr4, value, must | value, CR4_HIDDEN & ~must);
            assert_int_equal(vmx_read_cr4(), value);
        }
}

/* What it cannot have raises #GP, as a reserved bit does. */
static void cr4_is_the_guests_but_for_what_it_has_not(void **state)
{
    (void)state;
    write_cr4_bit_by_bit(0x2000);
    assert_int_equal(fake_vmcs[0x6002], CR4_HIDDEN | CR4_FIXED);
}

/* Else a machine check would shut the core down instead of making it exit. */
static void a_partition_has_machine_checks_enabled(void **state)
{
    (void)state;
    write_cr4_bit_by_bit(0x2040);
    assert_int_equal(fake_vmcs[0x6002], CR4_HIDDEN | CR4_FIXED | 0x40);
}

/* As firmware's may have them at the capture. */
static void hidden_bits_are_not_taken_over(void **state)
{
    (void)state;
    vmx_write_cr4(&cpu, CR4_HIDDEN | 0x668);
    expect(cr4, 0x668, 0x2668, CR4_HIDDEN & ~CR4_FIXED);
    assert_int_equal(fake_vmcs[0x6006], 0x668);
}

/* Table 28-3: bits 3:0 are the register's number, 11:8 the other's. */
static void the_register_is_the_one_that_was_named(void **state)
{
    (void)state;
    for (u32 reg = 0; reg < REGISTERS; reg++) {
        memset(cpu.regs, 0, sizeof(cpu.regs));
        vmx_write_cr0(&cpu, 0x10);
        vmx_write_cr4(&cpu, 0x20);
        cpu.regs[reg] = 0x20;
        fake_vmcs[0x6400] = reg << 8;
        vmx_cr_exit(&cpu);
        assert_int_equal(fake_vmcs[0x6004], 0x30);
        assert_int_equal(fake_vmcs[0x6006], 0x20);
    }
    assert_int_equal(cpu.exits[EXIT_CONTROL], REGISTERS);
    cpu.regs[RAX] = 0x2000;
    fake_vmcs[0x6400] = 4;
    vmx_cr_exit(&cpu);
    assert_int_equal(faults, 1);
    assert_int_equal(fake_vmcs[0x6006], 0x20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(cr0_is_the_guests_but_for_ne, set_up),
        cmocka_unit_test_setup(a_partition_switches_no_cache_off, partition),
        cmocka_unit_test_setup(what_vmx_forbids_stays_clear, set_up),
        cmocka_unit_test_setup(cr4_is_the_guests_but_for_what_it_has_not, set_up),
        cmocka_unit_test_setup(a_partition_has_machine_checks_enabled, partition),
        cmocka_unit_test_setup(hidden_bits_are_not_taken_over, set_up),
        cmocka_unit_test_setup(the_register_is_the_one_that_was_named, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
