/* What SMBIOS (DSP0134) says of firmware, machine and board. Names and versions only: serial
 * numbers, UUIDs and asset tags are the owner's. Pure: the table is firmware's work and may be
 * wrong in any field. */
#ifndef CEDE_SELFTEST_SMBIOS_H
#define CEDE_SELFTEST_SMBIOS_H

#include "types.h"

/* Where the structures are, by an entry point of either kind (5.2.1, 5.2.2); false if it is none.
 */
bool smbios_entry(const u8 *entry, size_t size, u64 *table, u32 *length);

/* Calls `fact` with each string that names something, in the order of the structures. */
void smbios_facts(const u8 *table, size_t size, void (*fact)(const char *name, const char *text));

#endif
