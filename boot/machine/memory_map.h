/* The firmware's memory map. */
#ifndef CEDE_MEMORY_MAP_H
#define CEDE_MEMORY_MAP_H

#include "uefi/uefi.h"

/* Into a pool buffer, to be freed by the caller where it returns no error; descriptors are `stride`
 * bytes apart. */
EFI_STATUS memory_map(u8 **map, UINTN *size, UINTN *stride);

#endif
