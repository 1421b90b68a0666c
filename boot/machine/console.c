#include "machine/console.h"

#include "uefi/text.h"
#include "uefi/uefi.h"

#define COM1     0x3f8
#define STALL_MS 20

/* No UART drives the bus: the line status register reads all ones, which a UART's never does. */
static bool port_answers(u16 port)
{
    u8 value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "d"((u16)(port + 5)));
    return value != 0xff;
}

struct boot_uart console_choose(const struct conf *conf, const struct boot_uart *spcr)
{
    struct boot_uart uart = {.kind = UART_NONE, .stride = 1};

    if (conf->console == CONSOLE_AUTO && spcr->kind != UART_NONE)
        uart = *spcr;
    else if (conf->console == CONSOLE_PORT)
        uart = (struct boot_uart){.base = conf->port, .kind = UART_PORT, .stride = 1};
    else if (conf->console == CONSOLE_AUTO && port_answers(COM1))
        uart = (struct boot_uart){.base = COM1, .kind = UART_PORT, .stride = 1};
    uart.baud = conf->baud;
    return uart;
}

/* Of a UART in memory Cede does not carry out a guest's accesses, so that it cannot share one. */
struct boot_console console_wire(const struct conf *conf, const struct boot_uart *uart)
{
    struct boot_console wire = conf->wire;

    if (!wire.mode)
        wire.mode = conf->console == CONSOLE_AUTO ? WIRE_SHARED : WIRE_OWN;
    if (uart->kind == UART_MMIO && wire.mode == WIRE_SHARED)
        wire.mode = WIRE_LOG;
    if (uart->kind == UART_NONE)
        wire.mode = WIRE_NONE;
    return wire;
}

const char *console_text(const struct conf *conf, const struct boot_uart *uart, char out[48])
{
    const char *why = conf->console != CONSOLE_AUTO                   ? "cede.conf"
                      : uart->kind == UART_PORT && uart->base == COM1 ? "COM1"
                                                                      : "SPCR";

    if (uart->kind == UART_NONE)
        text_print(out, 48, "none (%s)",
                   conf->console == CONSOLE_NONE ? "cede.conf" : "no COM1, no SPCR");
    else
        text_print(out, 48, "16550 at %s 0x%lx (%s)", uart->kind == UART_PORT ? "port" : "address",
                   uart->base, why);
    return out;
}

static u64 read_tsc(void)
{
    u32 low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (u64)high << 32 | low;
}

u32 console_tsc_khz(void)
{
    u64 start = read_tsc();

    BS->Stall(STALL_MS * 1000);
    return (u32)((read_tsc() - start) / STALL_MS);
}
