/* The ACPI tables of a partition (ACPI 6.5): a hardware-reduced machine with processors, at most a
 * serial port, and nothing else. Pure. */
#ifndef CEDE_GUEST_ACPI_H
#define CEDE_GUEST_ACPI_H

#include "types.h"

struct guest_acpi {
    u64 address; /* guest-physical, of the RSDP */
    const u32 *apic_ids;
    u32 count;
    bool console; /* a 16550 at 0x3f8, without an interrupt */
    bool power;   /* GUEST_PORT_RESET and its neighbours are there */
};

/* I/O ports of a partition. */
#define GUEST_PORT_RESET        0x600 /* write 1: reset */
#define GUEST_PORT_SLEEP        0x601 /* write SLP_EN: stop */
#define GUEST_PORT_SLEEP_STATUS 0x602

/* Returns the size, 0 if it is more than `room`, whose bytes must be 0. */
size_t guest_acpi_build(u8 *out, size_t room, const struct guest_acpi *guest);

#endif
