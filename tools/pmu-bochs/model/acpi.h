/*
 * The ACPI tables of the bed, as QEMU would hand them to OVMF: three fw_cfg files, of which the
 * third tells the firmware how to place and link the others (the script format is that of
 * hw/acpi/bios-linker-loader.c).
 */
#ifndef CEDE_PMU_ACPI_H
#define CEDE_PMU_ACPI_H

#include "aml.h"

namespace pmu
{

struct AcpiFiles {
    Bytes rsdp;   /* etc/acpi/rsdp */
    Bytes tables; /* etc/acpi/tables */
    Bytes loader; /* etc/table-loader */
};

/* `processors` with APIC IDs from 0 on, `memory` bytes of RAM. */
AcpiFiles acpi_files(unsigned processors, uint64_t memory);

} // namespace pmu

#endif
