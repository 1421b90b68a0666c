/* What every UEFI-facing file of the loader shares: the system tables, console output, pools,
 * GUIDs. GNU-EFI provides headers, start-up code and relocation only; its library is not linked. */
#ifndef CEDE_UEFI_H
#define CEDE_UEFI_H

#include <efi.h>

#include "types.h"

extern EFI_SYSTEM_TABLE *ST;
extern EFI_BOOT_SERVICES *BS;
extern EFI_RUNTIME_SERVICES *RT;

extern EFI_GUID loaded_image_guid, device_path_guid, file_system_guid, load_file2_guid;
extern EFI_GUID global_variable_guid;

/* Call first, with what efi_main() was given. */
void uefi_init(EFI_SYSTEM_TABLE *table);

/* Prints to the firmware's console, which is on the serial line too where the firmware redirects
 * it. Formats as in text.h; "\n" alone ends a line. Silent on a machine without a console. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints `prefix` and then `text` broken at blanks into lines of at most 80 columns, the second and
 * later ones starting with "cede:   ". */
void say_wrapped(const char *prefix, const char *text);

/* The firmware's name for a status that matters to an operator, else "error". */
const char *status_text(EFI_STATUS status);

/* Boot services memory of `size` bytes, zeroed; NULL when there is none. */
void *pool_alloc(size_t size);
void pool_free(void *memory);

/* A protocol of a handle, NULL when it has none. */
void *protocol(EFI_HANDLE handle, EFI_GUID *guid);

/* All handles with a protocol, as a pool buffer to free; NULL and 0 when there are none. */
EFI_HANDLE *handles_with(EFI_GUID *guid, UINTN *count);

/* The firmware's configuration table with that name, or NULL. */
const void *config_table(const EFI_GUID *guid);

/* A UEFI global variable into `buffer`; bytes read, 0 when absent or larger than the buffer. */
UINTN global_variable(const CHAR16 *name, void *buffer, UINTN size);

#endif
