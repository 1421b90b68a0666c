/* How far memory reaches, and the memory that Cede takes from the firmware. */
#ifndef CEDE_MEMORY_H
#define CEDE_MEMORY_H

#include "boot_info.h"
#include "uefi/uefi.h"

struct memory {
    u64 total;      /* bytes that an OS may use */
    u64 largest;    /* bytes of the largest free range below 4 GiB */
    u64 ram_top;    /* end of what the memory map calls memory */
    u64 bridge_top; /* end of the highest PCI bridge window */
    u64 map_top;    /* end of what Cede maps from the start; whole GiB, at least 4 */
    bool gib_pages;
    u64 of_type[EfiMaxMemoryType]; /* bytes */
    unsigned ranges;
};

/* Walks memory map and root bridges. */
EFI_STATUS memory_survey(struct memory *memory);

/* Pages that end below `limit`, as the given type; 0 if there are none. Never address 0. */
u64 pages_alloc(EFI_MEMORY_TYPE type, u64 bytes, u64 limit);

/* The same, as high as there is room; `align` is a power of 2. */
u64 pages_alloc_aligned(EFI_MEMORY_TYPE type, u64 bytes, u64 align);

void pages_free(u64 address, u64 bytes);

#endif
