/* A partition's ports: nothing of the machine's is read or written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "ports/partition_io.c"

struct hv hv;

static struct boot_guest boot = {.console = 1};
static struct guest guest = {.boot = &boot, .index = 1};
static struct cpu cpu = {.guest = &guest};
static char did[64]; /* what was called, a letter each */
static u8 sent[8];

static void note(char what)
{
    did[strlen(did)] = what;
}

void log_line(const char *format, ...)
{
    (void)format;
}

u8 partition_uart_in(struct virtual_uart *which, u32 reg)
{
    assert_ptr_equal(which, &guest.uart);
    return (u8)(0x10 + reg);
}

void partition_uart_out(struct virtual_uart *which, u32 reg, u8 value)
{
    assert_ptr_equal(which, &guest.uart);
    note('u');
    sent[reg] = value;
}

u32 guest_stop(struct cpu *self, struct guest *which)
{
    assert_true(self == &cpu && which == &guest);
    note('s');
    return 1;
}

void guest_start(struct guest *which)
{
    assert_ptr_equal(which, &guest);
    note('S');
}

void guest_attend(struct cpu *self)
{
    assert_ptr_equal(self, &cpu);
    note('a');
}

static int set_up(void **state)
{
    (void)state;
    memset(did, 0, sizeof(did));
    memset(sent, 0, sizeof(sent));
    memset(&fake, 0, sizeof(fake));
    boot.console = 1;
    return 0;
}

static void every_port_but_its_own_reads_ones(void **state)
{
    (void)state;
    for (u32 port = 0; port < 0x10000; port++) {
        u8 expected = port - 0x3f8 < 8 ? (u8)(0x10 + port - 0x3f8) : port == 0x602 ? 0 : 0xff;

        assert_int_equal(partition_in(&cpu, (u16)port, 1), expected);
    }
    assert_int_equal(partition_in(&cpu, 0x3fe, 4), 0xffff1716);
    assert_int_equal(partition_in(&cpu, 0xffff, 4), 0xffffffff);
    boot.console = 0;
    assert_int_equal(partition_in(&cpu, 0x3f8, 1), 0xff);
}

/* All values at all ports. */
static void no_write_reaches_the_machine(void **state)
{
    (void)state;
    for (u32 port = 0; port < 0x10000; port++)
        for (u32 value = 0; value < 0x100 && port - 0x3f8 >= 8 && port - 0x600 >= 2; value++)
            partition_out(&cpu, (u16)port, 1, value);
    assert_int_equal(fake.outs, 0);
    assert_string_equal(did, "");
}

static void bytes_go_to_their_registers(void **state)
{
    (void)state;
    partition_out(&cpu, 0x3f7, 4, 0x44332211);
    assert_string_equal(did, "uuu");
    assert_int_equal(sent[0], 0x22);
    assert_int_equal(sent[2], 0x44);
}

static void it_resets_and_stops_itself(void **state)
{
    (void)state;
    partition_out(&cpu, 0x600, 1, 0);
    partition_out(&cpu, 0x600, 1, 3);
    partition_out(&cpu, 0x601, 1, 0xdf); /* all but SLP_EN */
    partition_out(&cpu, 0x602, 1, 0xff);
    assert_string_equal(did, "");
    partition_out(&cpu, 0x600, 1, 1);
    assert_string_equal(did, "sSa");
    partition_out(&cpu, 0x601, 1, 0x34);
    assert_string_equal(did, "sSasa");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_port_but_its_own_reads_ones, set_up),
        cmocka_unit_test_setup(no_write_reaches_the_machine, set_up),
        cmocka_unit_test_setup(bytes_go_to_their_registers, set_up),
        cmocka_unit_test_setup(it_resets_and_stops_itself, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
