/* What DMAR (VT-d specification 8) and IVRS (AMD I/O Virtualization Technology 5.2.2) say of the
 * machine's IOMMUs, and what these say themselves. Pure: the table is firmware's work and may be
 * wrong in any field. */
#ifndef CEDE_SELFTEST_IOMMU_H
#define CEDE_SELFTEST_IOMMU_H

#include "types.h"

/* A register of 32 bits; false where its page is not mapped. */
typedef bool iommu_read(u64 address, u32 *value);

/* Calls `fact` with a summary and with a line for each unit; a table of neither kind has none. */
void iommu_facts(const u8 *table, size_t size, iommu_read *read,
                 void (*fact)(const char *name, const char *text));

#endif
