/* The ports of a partition: its UART, and two by which it resets and stops itself, as its ACPI
 * tables say (boot/). All others read ones, and forget what is written. */
#include "guest.h"
#include "ports/io.h"
#include "serial/log.h"
#include "serial/partition_uart.h"
#include "serial/uart.h"

#define PORT_UART    0x3f8
#define PORT_RESET   0x600
#define RESET_VALUE  1
#define PORT_SLEEP   0x601 /* SLEEP_CONTROL_REG, ACPI 4.8.3.7 */
#define SLEEP_ENABLE BIT(5)
#define PORT_STATUS  0x602

static bool is_uarts(const struct cpu *cpu, u32 port)
{
    return port - PORT_UART < UART_REGISTERS && cpu->guest->boot->console;
}

static u8 read_byte(const struct cpu *cpu, u32 port)
{
    if (is_uarts(cpu, port))
        return partition_uart_in(&cpu->guest->uart, port - PORT_UART);
    return port == PORT_STATUS ? 0 : 0xff;
}

/* In the middle of an instruction, which nobody will finish. */
static void end_life(struct cpu *cpu, bool again)
{
    log_guest("guest %u (%s) %s itself", (u64)cpu->guest->index, cpu->guest->boot->name,
              again ? "resets" : "stops");
    guest_stop(cpu, cpu->guest);
    if (again)
        guest_start(cpu->guest);
    guest_attend(cpu);
}

static void write_byte(struct cpu *cpu, u32 port, u8 value)
{
    if (is_uarts(cpu, port))
        partition_uart_out(&cpu->guest->uart, port - PORT_UART, value);
    else if (port == PORT_RESET && value == RESET_VALUE)
        end_life(cpu, true);
    else if (port == PORT_SLEEP && (value & SLEEP_ENABLE))
        end_life(cpu, false);
}

u32 partition_in(const struct cpu *cpu, u16 port, u32 size)
{
    u32 value = 0;

    for (u32 i = 0; i < size; i++)
        value |= (u32)read_byte(cpu, port + i) << 8 * i;
    return value;
}

void partition_out(struct cpu *cpu, u16 port, u32 size, u32 value)
{
    for (u32 i = 0; i < size; i++)
        write_byte(cpu, port + i, (u8)(value >> 8 * i));
}
