#include "ports/io.h"
#include "base/asm.h"
#include "ports/console_ports.h"
#include "guest.h"
#include "serial/log.h"
#include "vendor.h"

static void set_port(u8 *map, u16 port)
{
    map[port / 8] |= (u8)(1 << port % 8);
}

void io_bitmap(const struct guest *guest)
{
    u8 *map = (u8 *)guest->io_map;
    const u16 blocks[] = {hv.info->sleep.pm1a_cnt, hv.info->sleep.pm1b_cnt};

    for (u32 i = 0; is_partition(guest) && i < vendor->io_map_pages * PAGE_SIZE; i++)
        map[i] = 0xff;
    for (u32 i = 0; i < COUNT(blocks); i++) {
        if (!blocks[i])
            continue;
        set_port(map, blocks[i]);
        set_port(map, blocks[i] + 1);
    }
    console_ports(map);
}

/* With its first or its last byte: larger than the accesses are the blocks of ports. */
static bool is_consoles(u16 port, u32 size)
{
    return console_has_port(port) || console_has_port((u16)(port + size - 1));
}

void io_write(struct cpu *cpu, u16 port, u32 size, u32 value)
{
    if (is_partition(cpu->guest)) {
        partition_out(cpu, port, size, value);
        return;
    }
    if (io_sleeps(&hv.info->sleep, port, size, value)) {
        log_guest("the guest asked to suspend: refused, since it would resume without Cede");
        return;
    }
    if (is_consoles(port, size))
        console_out(port, size, value);
    else if (size == 1)
        outb(port, (u8)value);
    else if (size == 2)
        outw(port, (u16)value);
    else
        outl(port, value);
}

u32 io_read(const struct cpu *cpu, u16 port, u32 size)
{
    if (is_partition(cpu->guest))
        return partition_in(cpu, port, size);
    if (is_consoles(port, size))
        return console_in(port, size);
    return size == 1 ? inb(port) : size == 2 ? inw(port) : inl(port);
}
