/* Finds the firmware's ACPI tables and gathers what boot_info needs of them. */
#ifndef CEDE_ACPI_H
#define CEDE_ACPI_H

#include "machine/acpi_tables.h"
#include "uefi/uefi.h"

struct acpi {
    bool present;
    struct fadt fadt;
    struct boot_sleep sleep;
    u64 pci;               /* MCFG's; 0 without one */
    struct boot_uart uart; /* SPCR's; kind UART_NONE without one */
    u32 *apic_ids;         /* of the MADT; pool */
    u32 cpu_count;
};

/* False, having said so, only when memory ran out; a machine without ACPI has present = false. */
bool acpi_gather(struct acpi *acpi);
void acpi_free(struct acpi *acpi);

/* Each table in turn, with its size: `*at` is 0 for the first. NULL at the end. */
const u8 *acpi_next(size_t *at, size_t *size);

/* Takes S1, S2, S3 and S0ix out of the tables: an OS that does not see them does not try to
 * suspend, since its resume would run outside of Cede. Returns how many objects were hidden. */
unsigned acpi_hide_suspend(void);

/* Makes the MADT say that this processor is not there. */
void acpi_hide_cpu(u32 apic_id);

#endif
