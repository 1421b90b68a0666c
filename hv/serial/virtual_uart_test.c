/* A partition's UART, as drivers look at one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "serial/virtual_uart.c"

static u8 out_bytes[16];
static struct virtual_uart uart;

static int set_up(void **state)
{
    (void)state;
    memset(&uart, 0, sizeof(uart));
    uart.in = (struct ring){.bytes = uart.typed, .size = sizeof(uart.typed)};
    uart.out = (struct ring)RING(out_bytes);
    virtual_uart_reset(&uart);
    return 0;
}

static u8 read(u32 reg)
{
    return virtual_uart_read(&uart, reg);
}

static void write(u32 reg, u8 value)
{
    virtual_uart_write(&uart, reg, value);
}

static void say(const char *text)
{
    for (; *text; text++)
        write(UART_THR, (u8)*text);
}

static const char *said(void)
{
    static char text[sizeof(out_bytes) + 1];
    u32 n = 0;

    while (ring_take(&uart.out, (u8 *)&text[n]))
        n++;
    text[n] = '\0';
    return text;
}

/* Linux 8250_port.c, autoconfig(): IER and SCR keep values, loopback shows MCR in MSR. */
static void it_is_found_as_a_16550a(void **state)
{
    (void)state;
    write(UART_IER, 0x0f);
    assert_int_equal(read(UART_IER), 0x0f);
    write(UART_IER, 0);
    assert_int_equal(read(UART_IER), 0);
    write(UART_SCR, 0xa5);
    assert_int_equal(read(UART_SCR), 0xa5);
    write(UART_MCR, MCR_LOOP | 0x0a);
    assert_int_equal(read(UART_MSR) & 0xf0, 0x90);
    write(UART_MCR, 0);
    assert_int_equal(read(UART_IIR), IIR_NONE);
    write(UART_FCR, FCR_ENABLE);
    assert_int_equal(read(UART_IIR) & IIR_FIFO, IIR_FIFO);
}

static void the_divisor_is_kept(void **state)
{
    (void)state;
    write(UART_LCR, LCR_DLAB | LCR_8N1);
    write(UART_DLL, 0x34);
    write(UART_DLM, 0x12);
    assert_int_equal(read(UART_DLL), 0x34);
    assert_int_equal(read(UART_DLM), 0x12);
    write(UART_LCR, LCR_8N1);
    assert_int_equal(read(UART_LCR), LCR_8N1);
    assert_string_equal(said(), "");
}

static void the_last_words_are_kept(void **state)
{
    (void)state;
    say("0123456789abcdefghij");
    assert_int_equal(read(UART_LSR), LSR_THRE | LSR_TEMT);
    assert_string_equal(said(), "456789abcdefghij");
}

static void an_operator_who_is_there_loses_nothing(void **state)
{
    (void)state;
    uart.attached = true;
    write(UART_IER, IER_ETBEI);
    assert_int_equal(read(UART_IIR), IIR_THRE);
    say("0123456789abcdef");
    assert_int_equal(read(UART_LSR), 0);
    assert_int_equal(read(UART_IIR), IIR_NONE);
    assert_string_equal(said(), "0123456789abcdef");
    assert_int_equal(read(UART_LSR), LSR_THRE | LSR_TEMT);
}

static void what_is_typed_is_read_once(void **state)
{
    (void)state;
    ring_put(&uart.in, 'x');
    assert_int_equal(read(UART_IIR), IIR_NONE);
    write(UART_IER, IER_ERBFI);
    assert_int_equal(read(UART_IIR), IIR_RECEIVE);
    assert_int_equal(read(UART_LSR) & LSR_DR, LSR_DR);
    assert_int_equal(read(UART_RBR), 'x');
    assert_int_equal(read(UART_LSR) & LSR_DR, 0);
    assert_int_equal(read(UART_RBR), 0);
}

static void loopback_and_clearing(void **state)
{
    (void)state;
    write(UART_MCR, MCR_LOOP);
    say("y");
    assert_string_equal(said(), "");
    assert_int_equal(read(UART_RBR), 'y');
    ring_put(&uart.in, 'z');
    write(UART_FCR, FCR_CLEAR_R);
    assert_int_equal(read(UART_LSR) & LSR_DR, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_is_found_as_a_16550a, set_up),
        cmocka_unit_test_setup(the_divisor_is_kept, set_up),
        cmocka_unit_test_setup(the_last_words_are_kept, set_up),
        cmocka_unit_test_setup(an_operator_who_is_there_loses_nothing, set_up),
        cmocka_unit_test_setup(what_is_typed_is_read_once, set_up),
        cmocka_unit_test_setup(loopback_and_clearing, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
