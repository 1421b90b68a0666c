/* The shared port against a model of a 16550 as the data sheet has it (PC16550D, section 8): FIFOs,
 * interrupts by priority, what reading clears. The guest is a driver that only acts when it is
 * interrupted. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"

#include "serial/wire.h"

/* --- the UART -----------------------------------------------------------------------------------
 */
static struct {
    u8 rx[16], tx[16], rx_errors[16];
    u32 rx_used, tx_used;
    u8 ier, fcr, lcr, mcr, scr;
    u16 divisor;
    bool thre_due, line; /* INTR as it is */
    u32 edges;           /* how often it rose */
    u8 sent[1 << 20];    /* what has left it */
    u32 sent_count;
    u8 msr;
} chip;

static u8 chip_source(void)
{
    if ((chip.ier & IER_ELSI) && chip.rx_used && chip.rx_errors[0])
        return IIR_LINE;
    if ((chip.ier & IER_ERBFI) && chip.rx_used)
        return IIR_TIMEOUT;
    if ((chip.ier & IER_ETBEI) && chip.thre_due)
        return IIR_THRE;
    return (chip.ier & IER_EDSSI) && (chip.msr & 0x0f) ? IIR_MODEM : IIR_NONE;
}

static void chip_update(void)
{
    bool now = chip_source() != IIR_NONE && (chip.mcr & 8);

    chip.edges += now && !chip.line;
    chip.line = now;
}

static u8 chip_receive_take(void)
{
    u8 byte = chip.rx[0];

    if (!chip.rx_used)
        return 0;
    chip.rx_used--;
    memmove(chip.rx, chip.rx + 1, sizeof(chip.rx) - 1);
    memmove(chip.rx_errors, chip.rx_errors + 1, sizeof(chip.rx_errors) - 1);
    return byte;
}

/* What happens at any time, when a test wants it: the line carries bytes. And between two of the
 * driver's accesses: another core looks after it, the operator types. */
static struct {
    bool on;
    u32 reads; /* till the line has carried what there is; 0: it waits */
    u32 dice, keys, answered;
} meanwhile;

static bool chance(u32 one_in)
{
    meanwhile.dice = meanwhile.dice * 1664525 + 1013904223;
    return (meanwhile.dice >> 16) % one_in == 0;
}

static void chip_transmit(void);

u8 uart_read(const struct boot_uart *uart, u32 reg)
{
    u8 value = 0;

    (void)uart;
    if ((meanwhile.on && chance(6)) || (meanwhile.reads && !--meanwhile.reads))
        chip_transmit();
    switch (reg) {
    case UART_RBR:
        value = chip.lcr & LCR_DLAB ? (u8)chip.divisor : chip_receive_take();
        break;
    case UART_IER:
        value = chip.lcr & LCR_DLAB ? (u8)(chip.divisor >> 8) : chip.ier;
        break;
    case UART_IIR:
        value = chip_source();
        if (value == IIR_THRE)
            chip.thre_due = false;
        value |= chip.fcr & FCR_ENABLE ? IIR_FIFO : 0;
        break;
    case UART_LCR:
        value = chip.lcr;
        break;
    case UART_MCR:
        value = chip.mcr;
        break;
    case UART_LSR:
        value = (u8)((chip.rx_used ? LSR_DR | chip.rx_errors[0] : 0) |
                     (chip.tx_used ? 0 : LSR_THRE | LSR_TEMT));
        chip.rx_errors[0] = 0;
        break;
    case UART_MSR:
        value = chip.msr;
        chip.msr &= 0xf0;
        break;
    default:
        value = chip.scr;
    }
    chip_update();
    return value;
}

void uart_write(const struct boot_uart *uart, u32 reg, u8 value)
{
    (void)uart;
    switch (reg) {
    case UART_THR:
        if (chip.lcr & LCR_DLAB) {
            chip.divisor = (chip.divisor & 0xff00) | value;
            break;
        }
        assert_in_range(chip.tx_used, 0, (chip.fcr & FCR_ENABLE ? 16 : 1) - 1); /* else lost */
        assert_false(chip.mcr & MCR_LOOP);
        chip.tx[chip.tx_used++] = value;
        chip.thre_due = false;
        break;
    case UART_IER:
        if (chip.lcr & LCR_DLAB) {
            chip.divisor = (u16)((chip.divisor & 0xff) | value << 8);
            break;
        }
        if ((value & IER_ETBEI) && !(chip.ier & IER_ETBEI) && !chip.tx_used)
            chip.thre_due = true;
        chip.ier = value;
        break;
    case UART_FCR:
        if ((value ^ chip.fcr) & FCR_ENABLE)
            chip.rx_used = chip.tx_used = 0;
        chip.fcr = value & FCR_ENABLE;
        break;
    case UART_LCR:
        chip.lcr = value;
        break;
    case UART_MCR:
        chip.mcr = value;
        break;
    case UART_SCR:
        chip.scr = value;
        break;
    default:
        fail();
    }
    chip_update();
}

void uart_init(const struct boot_uart *uart)
{
    (void)uart;
}

u16 uart_divisor(const struct boot_uart *uart, u8 lcr)
{
    (void)uart;
    chip.lcr = lcr;
    return chip.divisor;
}

void uart_set_divisor(const struct boot_uart *uart, u16 divisor, u8 lcr)
{
    (void)uart;
    chip.divisor = divisor;
    chip.lcr = lcr;
}

void uart_put(const struct boot_uart *uart, u8 byte)
{
    (void)uart;
    chip.sent[chip.sent_count++] = byte;
}

#include "serial/guest_uart.c"
#include "serial/wire.c"

/* The line takes what the transmitter has. */
static void chip_transmit(void)
{
    memcpy(chip.sent + chip.sent_count, chip.tx, chip.tx_used);
    chip.sent_count += chip.tx_used;
    chip.thre_due |= chip.tx_used != 0;
    chip.tx_used = 0;
    chip_update();
}

static void chip_arrives(u8 errors, u8 byte)
{
    assert_in_range(chip.rx_used, 0, 15);
    chip.rx_errors[chip.rx_used] = errors;
    chip.rx[chip.rx_used++] = byte;
    chip_update();
}

/* --- the guest ----------------------------------------------------------------------------------
 */
static struct {
    u8 got[1 << 16], got_errors[1 << 16];
    u32 got_count, interrupts, spurious;
    u32 to_send, sent; /* bytes of a counting pattern */
    u32 edges_seen;
} driver;

static const char visit_keys[] = "]]ls\r]]k"; /* three for Cede, one for the guest */
#define VISIT_KEYS (sizeof(visit_keys) - 1)

/* One at a time, as next_event() in console.c: an answer goes out before the guest has the line. */
static void answer_key(void)
{
    u8 byte;

    if (ring_used(&wire.answer) || !wire_key(&byte))
        return;
    ring_put(&wire.answer, 'x');
    meanwhile.answered++;
}

static void others_act(void)
{
    if (!meanwhile.on)
        return;
    if (chance(40) && !chip.rx_used)
        chip_arrives(0, (u8)visit_keys[meanwhile.keys++ % VISIT_KEYS]);
    if (chance(5))
        wire_poll();
    if (chance(20))
        answer_key();
}

static u8 in(u32 reg)
{
    u8 value;

    others_act();
    value = guest_uart_read(reg);
    if (!wire_direct())
        wire_pump();
    return value;
}

static void out(u32 reg, u8 value)
{
    others_act();
    guest_uart_write(reg, value);
    if (!wire_direct())
        wire_pump();
}

static u8 pattern(u32 n)
{
    return (u8)('!' + n % 89);
}

static void driver_receive(void)
{
    u8 status;

    while ((status = in(UART_LSR)) & LSR_DR) {
        driver.got_errors[driver.got_count] = status & LSR_ERRORS;
        driver.got[driver.got_count++] = in(UART_RBR);
    }
}

/* As Linux does: 16 bytes when the transmitter is empty; ETBEI off when there is no more. */
static void driver_send(void)
{
    if (!(in(UART_LSR)&LSR_THRE))
        return;
    for (u32 i = 0; i < 16 && driver.sent < driver.to_send; i++)
        out(UART_THR, pattern(driver.sent++));
    if (driver.sent == driver.to_send)
        out(UART_IER, in(UART_IER) & (u8)~IER_ETBEI);
}

/* Edge-triggered, as ISA interrupts are. */
static void driver_interrupt(void)
{
    bool handled = false;

    driver.edges_seen = chip.edges;
    driver.interrupts++;
    for (u32 pass = 0; pass < 512 && !(in(UART_IIR)&IIR_NONE); pass++) {
        handled = true;
        driver_receive();
        if (in(UART_IER)&IER_ETBEI)
            driver_send();
        in(UART_MSR);
    }
    driver.spurious += !handled;
}

/* Time passes: the line carries bytes, edges interrupt. */
static void run_for(u32 steps)
{
    while (steps--) {
        chip_transmit();
        for (u32 i = 0; i < 8 && driver.edges_seen != chip.edges; i++)
            driver_interrupt();
    }
}

static void driver_start(void)
{
    out(UART_FCR, FCR_ENABLE | FCR_CLEAR_R | FCR_CLEAR_T);
    out(UART_FCR, 0);
    in(UART_LSR);
    out(UART_LCR, LCR_8N1 | LCR_DLAB);
    out(UART_DLL, 1);
    out(UART_DLM, 0);
    out(UART_LCR, LCR_8N1);
    out(UART_FCR, FCR_ENABLE);
    out(UART_MCR, 0x0b);
    out(UART_IER, IER_ERBFI | IER_ELSI);
}

static void driver_write(u32 count)
{
    driver.to_send += count;
    out(UART_IER, IER_ERBFI | IER_ELSI | IER_ETBEI);
}

static void type(const char *keys)
{
    for (; *keys; keys++) {
        chip_arrives(0, (u8)*keys);
        run_for(1);
    }
}

static int set_up(void **state)
{
    struct boot_info info = {.console = {.mode = WIRE_SHARED, .escape = ']'}, .tsc_khz = 1000000};

    (void)state;
    memset(&chip, 0, sizeof(chip));
    memset(&driver, 0, sizeof(driver));
    memset(&meanwhile, 0, sizeof(meanwhile));
    chip.divisor = 12;
    chip.lcr = LCR_8N1;
    wire_init(&info);
    driver_start();
    return 0;
}

/* What the operator types at the prompt is taken, and answered with as many x. */
static u32 answer_keys(void)
{
    u32 count = 0;
    u8 byte;

    while (wire_key(&byte))
        count++;
    for (u32 i = 0; i < count; i++)
        ring_put(&wire.answer, 'x');
    wire_poll();
    return count;
}

/* The guest's bytes among those that left the UART: all but Cede's, which these tests mark. */
static u32 guests_bytes(u8 *bytes)
{
    bool cede = false;
    u32 count = 0;

    for (u32 i = 0; i < chip.sent_count; i++) {
        if (!memcmp(chip.sent + i, "\r\n[Cede]\r\n", 10))
            cede = true;
        if (!cede)
            bytes[count++] = chip.sent[i];
        if (cede && i >= 10 && !memcmp(chip.sent + i - 10, "\r\n[guest]\r\n", 11))
            cede = false;
    }
    return count;
}

static void check_guests_bytes(u32 count)
{
    static u8 bytes[1 << 20];

    assert_int_equal(guests_bytes(bytes), count);
    for (u32 i = 0; i < count; i++)
        assert_int_equal(bytes[i], pattern(i));
}

static void a_guest_alone_notices_nothing(void **state)
{
    (void)state;
    driver_write(1000);
    type("hello");
    run_for(100);
    check_guests_bytes(1000);
    assert_int_equal(driver.got_count, 5);
    assert_memory_equal(driver.got, "hello", 5);
    assert_int_equal(driver.spurious, 0);
    assert_int_equal(chip.divisor, 1);
}

static void settings_read_back(void **state)
{
    (void)state;
    out(UART_LCR, LCR_8N1 | LCR_DLAB);
    assert_int_equal(in(UART_DLL), 1);
    assert_int_equal(in(UART_DLM), 0);
    assert_int_equal(in(UART_LCR), LCR_8N1 | LCR_DLAB);
    assert_int_equal(chip.lcr, LCR_8N1); /* Cede's own accesses meet data, not the divisor */
    out(UART_LCR, LCR_8N1);
    out(UART_SCR, 0x5a);
    assert_int_equal(in(UART_SCR), 0x5a);
    assert_int_equal(in(UART_IER), IER_ERBFI | IER_ELSI);
    out(UART_IER, 0xff);
    assert_int_equal(in(UART_IER), 0x0f);
    assert_int_equal(in(UART_IIR)&IIR_FIFO, IIR_FIFO);
    out(UART_FCR, 0);
    assert_int_equal(in(UART_IIR)&IIR_FIFO, 0);
}

/* As drivers look for a UART: outputs come back as inputs, bytes too, and none reaches the line. */
static void loopback(void **state)
{
    (void)state;
    out(UART_MCR, MCR_LOOP | 0x0a);
    assert_int_equal(in(UART_MSR)&0xf0, 0x90);
    out(UART_MCR, MCR_LOOP | 0x05);
    assert_int_equal(in(UART_MSR)&0xf0, 0x60);
    out(UART_THR, 'z');
    assert_int_equal(in(UART_LSR)&LSR_DR, LSR_DR);
    assert_int_equal(in(UART_RBR), 'z');
    run_for(2);
    assert_int_equal(chip.sent_count, 0);
    out(UART_MCR, 0x0b);
    assert_int_equal(chip.mcr, 0x0b);
}

static void errors_stay_with_their_bytes(void **state)
{
    (void)state;
    chip_arrives(0, 'a');
    chip_arrives(0x10, 0); /* a break */
    chip_arrives(0x04, 'b');
    chip_arrives(0, 'c');
    run_for(1);
    assert_int_equal(driver.got_count, 4);
    assert_memory_equal(driver.got, "a\0bc", 4);
    assert_memory_equal(driver.got_errors, "\0\x10\x04\0", 4);
}

static void modem_interrupts_pass(void **state)
{
    (void)state;
    out(UART_IER, IER_ERBFI | IER_EDSSI);
    chip.msr = 0x31;
    chip_update();
    assert_int_equal(in(UART_IIR)&IIR_SOURCE, IIR_MODEM);
    assert_int_equal(in(UART_MSR), 0x31);
    assert_int_equal(in(UART_IIR)&IIR_SOURCE, IIR_NONE);
}

static void a_visit(void **state)
{
    (void)state;
    driver_write(100);
    run_for(1);
    type("ab]]");
    assert_true(wire.at_prompt);
    driver_write(200);
    run_for(50);
    assert_int_equal(driver.sent, 300); /* the guest goes on */
    type("version\r");
    assert_int_equal(answer_keys(), 8);
    run_for(50);
    assert_int_equal(driver.got_count, 2);
    wire_leave();
    wire_poll();
    type("cd");
    run_for(100);
    check_guests_bytes(300);
    assert_memory_equal(driver.got, "abcd", 4);
}

/* The guest writes all the time, the operator comes and goes. */
static void many_visits(void **state)
{
    (void)state;
    for (u32 i = 0; i < 200; i++) {
        driver_write(100 + i * 7 % 300);
        run_for(i % 13);
        type("]]");
        run_for(i % 7);
        type("ls\r");
        answer_keys();
        run_for(i % 11);
        type("]]");
        assert_true(wire.at_prompt);
        answer_keys(); /* leaves */
        assert_false(wire.at_prompt);
        wire_poll();
        type("k");
    }
    run_for(20000);
    check_guests_bytes(driver.to_send);
    assert_int_equal(driver.got_count, 200);
    assert_int_equal(wire.lost, 0);
}

/* What Cede has sent leaves the transmitter before the guest's bytes go there. */
static void cedes_bytes_make_way(void **state)
{
    (void)state;
    type("]]");
    chip_transmit();
    wire_leave();
    wire_poll();
    assert_int_equal(chip.tx_used, 11);
    for (u32 i = 0; i < 16; i++)
        out(UART_THR, pattern(i));
    run_for(3);
    check_guests_bytes(16);
}

/* It becomes empty after Cede has looked, and before the guest is told why it was interrupted. */
static void an_empty_transmitter_is_not_missed(void **state)
{
    (void)state;
    out(UART_IER, IER_ETBEI);
    in(UART_IIR);
    out(UART_THR, pattern(0));
    wire.sending = true;
    meanwhile.reads = 3; /* LSR, to receive; LSR, to send; IIR */
    assert_int_equal(in(UART_IIR)&IIR_SOURCE, IIR_THRE);
    assert_int_equal(meanwhile.reads, 0);
}

/* Many visits as above, in any order with the guest's own doings. */
static void anything_in_between(void **state)
{
    (void)state;
    meanwhile.on = true;
    meanwhile.dice = 1;
    for (u32 i = 0; i < 1000; i++) {
        driver_write(100 + i * 7 % 300);
        run_for(20);
    }
    meanwhile.on = false;
    while (meanwhile.keys % VISIT_KEYS)
        type((char[]){visit_keys[meanwhile.keys++ % VISIT_KEYS], 0});
    for (u32 i = 0; i < 1000; i++) {
        answer_key();
        wire_poll();
        run_for(20);
    }
    check_guests_bytes(driver.to_send);
    assert_in_range(meanwhile.keys, 100 * VISIT_KEYS, ~0U);
    assert_int_equal(driver.got_count, meanwhile.keys / VISIT_KEYS);
    assert_int_equal(meanwhile.answered, meanwhile.keys / VISIT_KEYS * 3);
    assert_int_equal(wire.lost, 0);
}

/* The guest waits when the ring is full, loses nothing, and goes on by itself afterwards. */
static void a_full_ring(void **state)
{
    (void)state;
    type("]]");
    driver_write(200000);
    run_for(20000);
    assert_in_range(driver.sent, HELD_SIZE / 2, HELD_SIZE);
    wire_leave();
    wire_poll();
    run_for(40000);
    check_guests_bytes(200000);
    assert_int_equal(wire.lost, 0);
}

/* Nobody stays at the prompt while the guest waits for the ring. */
static void an_idle_visit_ends(void **state)
{
    (void)state;
    type("]]");
    wire.idle = 1;
    driver_write(200000);
    run_for(40000);
    assert_false(wire.at_prompt);
    check_guests_bytes(200000);
}

/* A guest that waits for the transmitter's interrupt does not ask: whoever looks after the line
 * does. */
static void an_idle_visit_ends_without_the_guest(void **state)
{
    (void)state;
    type("]]");
    wire.idle = ~0ULL;
    driver_write(200000);
    run_for(40000);
    assert_true(wire.at_prompt);
    wire.idle = 1;
    wire_poll();
    assert_false(wire.at_prompt);
    run_for(40000);
    check_guests_bytes(200000);
}

/* A core that the guest has not stopped on takes bytes in: the guest is interrupted for them. */
static void polled_from_elsewhere(void **state)
{
    (void)state;
    for (u32 i = 0; i < 100; i++) {
        chip_arrives(0, (u8)('a' + i % 26));
        wire_poll();
        driver.edges_seen =
            chip.edges - 1; /* the edge of the byte itself was the last to be seen */
        run_for(2);
        assert_int_equal(driver.got_count, i + 1);
    }
}

static void type_ahead_of_exit_is_the_guests(void **state)
{
    u8 byte;

    (void)state;
    type("]]");
    for (const char *c = "q]]guest"; *c; c++)
        chip_arrives(0, (u8)*c);
    wire_poll();
    assert_true(wire_key(&byte));
    assert_int_equal(byte, 'q');
    assert_false(wire_key(&byte));
    wire_poll();
    run_for(4);
    assert_memory_equal(driver.got, "guest", 5);
    assert_int_equal(driver.got_count, 5);
}

/* Its bytes go through, what is typed is the partition's, and the escape leads back. */
static void at_a_partitions_console(void **state)
{
    static u8 out_bytes[64], in_bytes[64];
    struct virtual_uart partition = {.in = RING(in_bytes), .out = RING(out_bytes)};
    char typed[8] = "";

    (void)state;
    type("]]");
    for (const char *c = "hello"; *c; c++)
        ring_put(&partition.out, (u8)*c);
    wire_attach(&partition);
    driver_write(20);
    type("ls]x");
    assert_int_equal(answer_keys(), 0);
    for (u32 i = 0; ring_take(&partition.in, (u8 *)&typed[i]); i++)
        ;
    assert_string_equal(typed, "ls]x");
    run_for(50);
    wire_poll();
    chip_transmit();
    assert_non_null(memmem(chip.sent, chip.sent_count, "hello", 5));
    assert_int_equal(driver.sent, 20); /* held, as at the prompt */
    type("]]");
    assert_int_equal(answer_keys(), 0);
    assert_true(wire.at_prompt && !wire.attached && !partition.attached);
    type("q");
    assert_int_equal(answer_keys(), 1);
    wire_attach(&partition);
    wire_leave(); /* the guest waited too long */
    assert_false(wire.at_prompt || wire.attached || partition.attached);
}

static void floods_at_the_prompt_are_dropped(void **state)
{
    (void)state;
    type("]]");
    for (u32 i = 0; i < 100000; i++) {
        chip_arrives(0, 'x');
        wire_poll();
    }
    assert_int_equal(answer_keys(), INPUT_SIZE / 2);
    ring_clear(&wire.answer);
    type("y");
    assert_int_equal(answer_keys(), 1);
    assert_int_equal(driver.got_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_guest_alone_notices_nothing, set_up),
        cmocka_unit_test_setup(settings_read_back, set_up),
        cmocka_unit_test_setup(loopback, set_up),
        cmocka_unit_test_setup(errors_stay_with_their_bytes, set_up),
        cmocka_unit_test_setup(modem_interrupts_pass, set_up),
        cmocka_unit_test_setup(a_visit, set_up),
        cmocka_unit_test_setup(many_visits, set_up),
        cmocka_unit_test_setup(cedes_bytes_make_way, set_up),
        cmocka_unit_test_setup(an_empty_transmitter_is_not_missed, set_up),
        cmocka_unit_test_setup(anything_in_between, set_up),
        cmocka_unit_test_setup(a_full_ring, set_up),
        cmocka_unit_test_setup(an_idle_visit_ends, set_up),
        cmocka_unit_test_setup(an_idle_visit_ends_without_the_guest, set_up),
        cmocka_unit_test_setup(polled_from_elsewhere, set_up),
        cmocka_unit_test_setup(type_ahead_of_exit_is_the_guests, set_up),
        cmocka_unit_test_setup(floods_at_the_prompt_are_dropped, set_up),
        cmocka_unit_test_setup(at_a_partitions_console, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
