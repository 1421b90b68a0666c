/* OUTS, element by element, as the processor would have done it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"

#include "ports/outs.c"

static struct cpu cpu;
static u64 rflags, readable; /* addresses below it */
static u8 sent[64];
static u32 sent_count, sent_size;

static void code_state(struct cpu *self, struct code_state *state)
{
    (void)self;
    *state = (struct code_state){.rflags = rflags, .long_mode = true};
}

static const struct vendor fake_vendor = {.code_state = code_state};
const struct vendor *vendor = &fake_vendor;

/* Each byte is its address. */
u32 memory_read_linear(const struct cpu *self, const struct guest_paging *paging, u64 linear,
                       void *buffer, u32 size)
{
    u32 count = 0;

    (void)self;
    (void)paging;
    for (; count < size && linear + count < readable; count++)
        ((u8 *)buffer)[count] = (u8)(linear + count);
    return count;
}

void io_write(struct cpu *self, u16 port, u32 size, u32 value)
{
    assert_ptr_equal(self, &cpu);
    assert_int_equal(port, 0x3f8);
    memcpy(sent + sent_count, &value, size);
    sent_count += size;
    sent_size = size;
}

static int set_up(void **state)
{
    (void)state;
    memset(&cpu, 0, sizeof(cpu));
    rflags = 0;
    readable = 0x1000;
    sent_count = 0;
    return 0;
}

static enum outs_status run(struct outs how)
{
    how.port = 0x3f8;
    how.linear = cpu.regs[RSI] & how.mask;
    return outs(&cpu, &how);
}

static void one_element(void **state)
{
    (void)state;
    cpu.regs[RSI] = 0x10;
    cpu.regs[RCX] = 7;
    assert_int_equal(run((struct outs){.mask = ~0ULL, .size = 4}), OUTS_DONE);
    assert_int_equal(cpu.regs[RSI], 0x14);
    assert_int_equal(cpu.regs[RCX], 7);
    assert_memory_equal(sent, "\x10\x11\x12\x13", 4);
    assert_int_equal(sent_size, 4);
    assert_int_equal(cpu.exits[EXIT_IO], 1);
}

static void repeated_until_the_count_is_0(void **state)
{
    (void)state;
    cpu.regs[RSI] = 0x20;
    cpu.regs[RCX] = 3;
    assert_int_equal(run((struct outs){.mask = ~0ULL, .size = 1, .repeat = true}), OUTS_AGAIN);
    assert_int_equal(run((struct outs){.mask = ~0ULL, .size = 1, .repeat = true}), OUTS_AGAIN);
    assert_int_equal(run((struct outs){.mask = ~0ULL, .size = 1, .repeat = true}), OUTS_DONE);
    assert_int_equal(cpu.regs[RCX], 0);
    assert_int_equal(cpu.regs[RSI], 0x23);
    assert_int_equal(run((struct outs){.mask = ~0ULL, .size = 1, .repeat = true}), OUTS_DONE);
    assert_int_equal(sent_count, 3);
}

static void backwards(void **state)
{
    (void)state;
    rflags = RFLAGS_DF;
    cpu.regs[RSI] = 0x21;
    cpu.regs[RCX] = 2;
    assert_int_equal(run((struct outs){.mask = ~0ULL, .size = 2, .repeat = true}), OUTS_AGAIN);
    assert_int_equal(run((struct outs){.mask = ~0ULL, .size = 2, .repeat = true}), OUTS_DONE);
    assert_int_equal(cpu.regs[RSI], 0x1d);
    assert_memory_equal(sent, "\x21\x22\x1f\x20", 4);
}

/* SDM 3.4.1.1: what 16-bit and 32-bit addresses leave of the registers. */
static void narrow_addresses(void **state)
{
    (void)state;
    cpu.regs[RSI] = 0x112233440000ffff;
    cpu.regs[RCX] = 0xaaaa0001;
    readable = ~0ULL;
    assert_int_equal(run((struct outs){.mask = 0xffff, .size = 1, .repeat = true}), OUTS_DONE);
    assert_int_equal(cpu.regs[RSI], 0x1122334400000000);
    assert_int_equal(cpu.regs[RCX], 0xaaaa0000);
    cpu.regs[RSI] = 0x11223344ffffffff;
    cpu.regs[RCX] = 0x5500000001;
    assert_int_equal(run((struct outs){.mask = 0xffffffff, .size = 1, .repeat = true}), OUTS_DONE);
    assert_int_equal(cpu.regs[RSI], 0);
    assert_int_equal(cpu.regs[RCX], 0);
}

static void nothing_changes_where_no_memory_is(void **state)
{
    (void)state;
    cpu.regs[RSI] = 0xffe;
    cpu.regs[RCX] = 5;
    assert_int_equal(run((struct outs){.mask = ~0ULL, .size = 4, .repeat = true}), OUTS_REFUSED);
    assert_int_equal(cpu.regs[RSI], 0xffe);
    assert_int_equal(cpu.regs[RCX], 5);
    assert_int_equal(sent_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_element, set_up),
        cmocka_unit_test_setup(repeated_until_the_count_is_0, set_up),
        cmocka_unit_test_setup(backwards, set_up),
        cmocka_unit_test_setup(narrow_addresses, set_up),
        cmocka_unit_test_setup(nothing_changes_where_no_memory_is, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
