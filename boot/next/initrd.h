/* Offers a file as the initial RAM disk of a Linux EFI stub: LoadFile2 on the device path with the
 * vendor GUID LINUX_EFI_INITRD_MEDIA_GUID (Linux, Documentation/admin-guide/efi-stub.rst). */
#ifndef CEDE_INITRD_H
#define CEDE_INITRD_H

#include "uefi/uefi.h"

/* The file is read when the kernel asks for it. */
EFI_STATUS initrd_offer(EFI_HANDLE volume, const CHAR16 *path);

/* Withdraws it, when the program that it was for has returned. Harmless without an offer. */
void initrd_withdraw(void);

#endif
