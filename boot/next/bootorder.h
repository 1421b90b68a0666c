/* The machine's own next boot option: what would have started, had the firmware skipped us. */
#ifndef CEDE_BOOTORDER_H
#define CEDE_BOOTORDER_H

#include "uefi/uefi.h"

/* Tries each active option of BootOrder that is not us, then \EFI\BOOT\BOOTX64.EFI of other disks,
 * then the firmware's own programs in BootOrder. Returns when one that started has returned
 * success, or when none is left, having said so. */
EFI_STATUS bootorder_start(EFI_HANDLE image, bool announce);

/* Says what would be tried, in order. */
void bootorder_report(EFI_HANDLE image);

#endif
