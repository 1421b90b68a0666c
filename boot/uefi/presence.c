#include "uefi/presence.h"

#include "hypercall.h"

EFI_GUID cede_guid = {0x7b175e46, 0xd975, 0x47c7, {0xb0, 0x4b, 0xf1, 0xc6, 0xa7, 0xb1, 0x75, 0xd9}};

const struct presence *presence_find(void)
{
    return config_table(&cede_guid);
}

void presence_announce(void)
{
    struct presence *presence = NULL;

    /* Runtime data: the OS keeps it, and our image's own memory ends with our image. */
    if (EFI_ERROR(BS->AllocatePool(EfiRuntimeServicesData, sizeof *presence, (void **)&presence)))
        return;
    *presence = (struct presence){HYPERCALL_SIGNATURE, CEDE_VERSION};
    BS->InstallConfigurationTable(&cede_guid, presence);
}
