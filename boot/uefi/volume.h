/* Files on the volumes that the firmware can read. */
#ifndef CEDE_VOLUME_H
#define CEDE_VOLUME_H

#include "uefi/uefi.h"

/* Opens a file for reading. `path` is absolute, with '\'. */
EFI_STATUS volume_open(EFI_HANDLE volume, const CHAR16 *path, EFI_FILE_HANDLE *file);

/* Whether it exists on that volume, as a file. */
bool volume_has(EFI_HANDLE volume, const CHAR16 *path);

EFI_STATUS file_size(EFI_FILE_HANDLE file, u64 *size);

/* Reads exactly `size` bytes. */
EFI_STATUS file_read_at(EFI_FILE_HANDLE file, u64 offset, void *buffer, u64 size);

/* The same from the start. */
EFI_STATUS file_read(EFI_FILE_HANDLE file, void *buffer, u64 size);

/* A whole file of at most `limit` bytes into a pool buffer. EFI_NOT_FOUND if there is none. */
EFI_STATUS volume_read(EFI_HANDLE volume, const CHAR16 *path, u64 limit, void **data, u64 *size);

/* The first volume that has the file: `first` (may be NULL), then any other. NULL if none has it.
 */
EFI_HANDLE volume_find(EFI_HANDLE first, const CHAR16 *path);

/* Lets the firmware look at every device: a fast boot leaves all but the boot device untouched. */
void volume_connect_all(void);

/* The device path of a handle, NULL where it has none that is well-formed. */
const u8 *handle_path(EFI_HANDLE handle);

#endif
