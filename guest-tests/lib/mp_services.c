#include "mp_services.h"

struct mp_services *mp_services_find(EFI_BOOT_SERVICES *services)
{
    EFI_GUID guid = {0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}};
    void *found = NULL;
    EFI_STATUS status = services->LocateProtocol(&guid, NULL, &found);
    return EFI_ERROR(status) ? NULL : found;
}
