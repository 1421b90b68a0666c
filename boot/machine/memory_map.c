#include "machine/memory_map.h"

/* The allocation itself may lengthen the map, hence the slack. */
EFI_STATUS memory_map(u8 **map, UINTN *size, UINTN *stride)
{
    UINTN key;
    u32 version;
    EFI_STATUS status = EFI_BUFFER_TOO_SMALL;

    *size = 0;
    BS->GetMemoryMap(size, NULL, &key, stride, &version);
    for (unsigned tries = 0; tries < 4 && status == EFI_BUFFER_TOO_SMALL; tries++) {
        *size += 16 * sizeof(EFI_MEMORY_DESCRIPTOR);
        *map = pool_alloc(*size);
        if (!*map)
            return EFI_OUT_OF_RESOURCES;
        status = BS->GetMemoryMap(size, (void *)*map, &key, stride, &version);
        if (EFI_ERROR(status))
            pool_free(*map);
    }
    return status;
}
