/* The few I/O ports of the machine that exit: ACPI's PM1 control, so that a suspend, whose resume
 * would run bare, is refused; and the console's UART (console/console.h). Of a partition's all
 * exit. */
#ifndef CEDE_IO_H
#define CEDE_IO_H

#include "boot_info.h"

struct cpu;
struct guest;

/* Sets the bits of the intercepted ports in the guest's map of one bit per port. */
void io_bitmap(const struct guest *guest);

/* A guest's OUT of `size` (1, 2, 4) bytes to an intercepted port. Done, or refused with a report.
 */
void io_write(struct cpu *cpu, u16 port, u32 size, u32 value);

/* A guest's IN from an intercepted port. */
u32 io_read(const struct cpu *cpu, u16 port, u32 size);

/* hv/ports/partition_io.c: the same for a partition, which has no ports of the machine's. */
void partition_out(struct cpu *cpu, u16 port, u32 size, u32 value);
u32 partition_in(const struct cpu *cpu, u16 port, u32 size);

/* Whether writing `value` to `port` would put the machine to a sleep that it wakes from without a
 * reset. Pure. */
bool io_sleeps(const struct boot_sleep *sleep, u16 port, u32 size, u32 value);

#endif
