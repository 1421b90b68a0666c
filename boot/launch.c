/* launch.efi: starts what cede.conf names, as cede.efi does, but without a hypervisor. tools/bed
 * --bare uses it, so that a bare run and a run under Cede differ in Cede alone. Prints errors only.
 */
#include "next/next.h"

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    static struct conf conf;

    uefi_init(table);
    if (!conf_load(image, &conf))
        return EFI_INVALID_PARAMETER;
    return next_start(image, &conf, false);
}
