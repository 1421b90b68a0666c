/* Loads and starts one EFI program. */
#ifndef CEDE_START_H
#define CEDE_START_H

#include "uefi/uefi.h"

struct program {
    EFI_HANDLE parent; /* our own image */
    const u8 *path;    /* full device path, ending in a file or in a device with LoadFile */
    const char *name;  /* for messages */
    void *options;     /* LoadOptions; the program may keep pointers into it */
    u32 options_size;
};

/* Returns when the program returns, with its status; or says why it does not start. `*started`
 * tells the two apart. */
EFI_STATUS program_start(const struct program *program, bool *started);

#endif
