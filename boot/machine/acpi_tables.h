/* What Cede reads in ACPI tables (ACPI 6.5, 5.2), as pure functions over bytes: a table is
 * firmware's work and may be wrong in any field. `size` is what the caller knows to be there. */
#ifndef CEDE_ACPI_TABLES_H
#define CEDE_ACPI_TABLES_H

#include "boot_info.h"

#define ACPI_HEADER      36
#define ACPI_TABLE_LIMIT MIB(16) /* the largest table that is believed */

/* The length of a well-formed table with this signature and a right checksum; 0 if it is not one.
 */
size_t acpi_table_size(const u8 *table, size_t size, const char *signature);

/* Root system description pointer: sets the address of the RSDT or XSDT and the size of its
 * entries. */
bool acpi_parse_rsdp(const u8 *rsdp, u64 *root, unsigned *entry_size);

/* APIC IDs of processors that are enabled or can be (MADT types 0 and 9, 5.2.12.2 and .12), each
 * once. Returns how many there are, which may be more than the `max` that were stored. */
u32 acpi_parse_madt(const u8 *madt, size_t size, u32 *apic_ids, u32 max);

/* Makes the processor's entries those of none. The caller mends the checksum. */
void acpi_disable_cpu(u8 *madt, size_t size, u32 apic_id);

struct fadt {
    u16 pm1a_cnt, pm1b_cnt; /* I/O ports, 0: none */
    u16 pm_timer;           /* likewise */
    struct boot_reset reset;
    u64 dsdt;
    bool pm1_memory;   /* PM1 control is memory-mapped: Cede cannot trap it */
    bool hw_reduced;   /* no PM1 block: sleep through SLEEP_CONTROL_REG */
    bool low_power_s0; /* offers S0ix */
};

void acpi_parse_fadt(const u8 *fadt, size_t size, struct fadt *out);

/* Where PCI configuration space is in memory (MCFG, PCI Firmware 4.1.2): that of segment 0, bus 0;
 * 0 if it does not say. */
u64 acpi_parse_mcfg(const u8 *mcfg, size_t size);

/* Serial console (SPCR): false if it is not a 16550 that Cede can drive. Its line settings are the
 * firmware's, and stay. */
bool acpi_parse_spcr(const u8 *spcr, size_t size, struct boot_uart *uart);

/* SLP_TYPa and SLP_TYPb of \_S<state>, state '1' to '5', from AML (20.2); false if not readable. */
bool aml_sleep_type(const u8 *aml, size_t size, char state, u8 *typ_a, u8 *typ_b);

/* Renames \_S<state> to a name that no OS asks for; returns how many were. The caller mends the
 * checksum. */
unsigned aml_hide_sleep(u8 *aml, size_t size, char state);

/* Clears LOW_POWER_S0_IDLE_CAPABLE; true if it was set. The caller mends the checksum. */
bool acpi_hide_s0ix(u8 *fadt, size_t size);

/* The byte that makes the sum of size + 1 bytes 0. */
u8 acpi_checksum(const u8 *at, size_t size);

/* Sets the checksum byte right for table[size]. */
void acpi_mend_checksum(u8 *table, size_t size);

#endif
