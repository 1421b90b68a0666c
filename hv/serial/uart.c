#include "serial/uart.h"
#include "base/asm.h"

#define UART_CLOCK 115200
#define UART_PATIENCE \
    200000 /* polls; a byte at 9600 baud takes about 1 ms, a port read about 1 us */

u8 uart_read(const struct boot_uart *uart, u32 reg)
{
    if (uart->kind == UART_PORT)
        return inb((u16)(uart->base + reg * uart->stride));
    return *(volatile u8 *)(uintptr_t)(uart->base + reg * uart->stride);
}

void uart_write(const struct boot_uart *uart, u32 reg, u8 value)
{
    if (uart->kind == UART_PORT)
        outb((u16)(uart->base + reg * uart->stride), value);
    else
        *(volatile u8 *)(uintptr_t)(uart->base + reg * uart->stride) = value;
}

u16 uart_divisor(const struct boot_uart *uart, u8 lcr)
{
    u16 divisor;

    uart_write(uart, UART_LCR, lcr | LCR_DLAB);
    divisor = uart_read(uart, UART_DLL);
    divisor |= (u16)(uart_read(uart, UART_DLM) << 8);
    uart_write(uart, UART_LCR, lcr);
    return divisor;
}

void uart_set_divisor(const struct boot_uart *uart, u16 divisor, u8 lcr)
{
    uart_write(uart, UART_LCR, lcr | LCR_DLAB);
    uart_write(uart, UART_DLL, (u8)divisor);
    uart_write(uart, UART_DLM, (u8)(divisor >> 8));
    uart_write(uart, UART_LCR, lcr);
}

void uart_init(const struct boot_uart *uart)
{
    if (uart->kind == UART_NONE || !uart->baud)
        return;
    uart_set_divisor(uart, (u16)(UART_CLOCK / uart->baud), LCR_8N1);
    uart_write(uart, UART_MCR, MCR_DTR_RTS);
}

void uart_put(const struct boot_uart *uart, u8 byte)
{
    for (u32 i = 0; i < UART_PATIENCE && !(uart_read(uart, UART_LSR) & LSR_THRE); i++)
        pause();
    uart_write(uart, UART_THR, byte);
}
