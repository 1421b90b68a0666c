/* The self-test's files on the volume that it was started from. Each write is on the medium when it
 * returns. */
#ifndef CEDE_SELFTEST_STICK_H
#define CEDE_SELFTEST_STICK_H

#include "uefi/uefi.h"

/* Call first. */
void stick_init(EFI_HANDLE image);

bool stick_has(const char *path);

/* A whole file, into a pool buffer. */
EFI_STATUS stick_read(const char *path, void **data, u64 *size);

/* A file's first bytes. */
EFI_STATUS stick_write(const char *path, const void *data, size_t size);

/* At a file's end, over the last `back` bytes. A file that is not there is made. */
EFI_STATUS stick_append(const char *path, size_t back, const void *data, size_t size);

void stick_remove(const char *path);

#endif
