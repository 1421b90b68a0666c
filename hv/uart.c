#include "uart.h"
#include "asm.h"

/* PC16550D data sheet, table II. */
enum { THR = 0, DIVISOR_LOW = 0, DIVISOR_HIGH = 1, LCR = 3, MCR = 4, LSR = 5 };
#define LCR_8N1     0x03
#define LCR_DLAB    0x80
#define MCR_DTR_RTS 0x03
#define LSR_THRE    0x20
#define UART_CLOCK  115200
#define UART_PATIENCE \
    200000 /* polls; a byte at 9600 baud takes about 1 ms, a port read about 1 us */

static u8 uart_read(const struct boot_uart *uart, u32 reg)
{
    if (uart->kind == UART_PORT)
        return inb((u16)(uart->base + reg * uart->stride));
    return *(volatile u8 *)(uintptr_t)(uart->base + reg * uart->stride);
}

static void uart_write(const struct boot_uart *uart, u32 reg, u8 value)
{
    if (uart->kind == UART_PORT)
        outb((u16)(uart->base + reg * uart->stride), value);
    else
        *(volatile u8 *)(uintptr_t)(uart->base + reg * uart->stride) = value;
}

void uart_init(const struct boot_uart *uart)
{
    if (uart->kind == UART_NONE || !uart->baud)
        return;
    uart_write(uart, LCR, LCR_8N1 | LCR_DLAB);
    uart_write(uart, DIVISOR_LOW, (u8)(UART_CLOCK / uart->baud));
    uart_write(uart, DIVISOR_HIGH, (u8)(UART_CLOCK / uart->baud >> 8));
    uart_write(uart, LCR, LCR_8N1);
    uart_write(uart, MCR, MCR_DTR_RTS);
}

static void put_raw(const struct boot_uart *uart, char byte)
{
    for (u32 i = 0; i < UART_PATIENCE && !(uart_read(uart, LSR) & LSR_THRE); i++)
        pause();
    uart_write(uart, THR, (u8)byte);
}

void uart_put(const struct boot_uart *uart, char byte)
{
    if (uart->kind == UART_NONE)
        return;
    if (byte == '\n')
        put_raw(uart, '\r');
    put_raw(uart, byte);
}
