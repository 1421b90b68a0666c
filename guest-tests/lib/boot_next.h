/* What the firmware starts after the next reset. For probes, while it is up. */
#ifndef CEDE_GUEST_BOOT_NEXT_H
#define CEDE_GUEST_BOOT_NEXT_H

#include <efi.h>
#include "types.h"

/* A file on the volume that this program came from, with these load options. */
void boot_next(const char *file, const void *options, u32 size);

void set_variable(CHAR16 *name, EFI_GUID *guid, const void *data, UINTN size);

#endif
