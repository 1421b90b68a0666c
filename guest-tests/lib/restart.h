/* A warm reset, from any state of the machine. */
#ifndef CEDE_GUEST_RESTART_H
#define CEDE_GUEST_RESTART_H

#include <efi.h>

/* By the firmware, which knows the machine; then, where that comes back or is not there (NULL), by
 * each of the ways that PCs have. */
void restart(EFI_RUNTIME_SERVICES *runtime) __attribute__((noreturn));

#endif
