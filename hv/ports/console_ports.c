#include "ports/console_ports.h"
#include "console/console.h"
#include "hv.h"
#include "serial/log.h"
#include "serial/wire.h"

bool console_has_port(u16 number)
{
    const struct boot_info *info = hv.info;

    return info->console.mode >= WIRE_SHARED && info->uart.kind == UART_PORT &&
           number - info->uart.base < UART_REGISTERS;
}

void console_ports(u8 *map)
{
    for (u32 number = 0; number < 0x10000; number++)
        if (console_has_port((u16)number))
            map[number / 8] |= (u8)(1 << number % 8);
}

/* A UART that Cede has for itself. The firmware's driver, which knows it from before, finds it
 * idle; an OS that looks for UARTs finds that IER keeps nothing, and so none. */
static u8 idle_read(u32 reg)
{
    return reg == UART_LSR ? LSR_THRE | LSR_TEMT : reg == UART_IIR ? IIR_NONE : 0;
}

/* An access may reach beyond the registers, where nothing is. */
static u8 read_byte(u32 number)
{
    u32 reg = number - (u32)wire.uart.base;

    if (reg >= UART_REGISTERS)
        return 0xff;
    return wire.mode == WIRE_SHARED ? guest_uart_read(reg) : idle_read(reg);
}

static void write_byte(u32 number, u8 value)
{
    u32 reg = number - (u32)wire.uart.base;

    if (reg < UART_REGISTERS && wire.mode == WIRE_SHARED)
        guest_uart_write(reg, value);
}

/* After an access: sends on, and gives the operator the core. */
static void attend_wire(void)
{
    bool work_left;

    lock(&log_lock);
    if (!wire_direct())
        wire_pump();
    work_left = wire.at_prompt && ring_used(&wire.input);
    unlock(&log_lock);
    if (work_left)
        console_poll(this_cpu());
}

u32 console_in(u16 number, u32 size)
{
    u32 value = 0;

    lock(&log_lock);
    for (u32 i = 0; i < size; i++)
        value |= (u32)read_byte(number + i) << 8 * i;
    unlock(&log_lock);
    attend_wire();
    return value;
}

void console_out(u16 number, u32 size, u32 value)
{
    lock(&log_lock);
    for (u32 i = 0; i < size; i++)
        write_byte(number + i, (u8)(value >> 8 * i));
    unlock(&log_lock);
    attend_wire();
}
