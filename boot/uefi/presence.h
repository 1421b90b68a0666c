/* How a second cede.efi, or a curious OS, sees that Cede is there: an EFI configuration table. */
#ifndef CEDE_PRESENCE_H
#define CEDE_PRESENCE_H

#include "uefi/uefi.h"

/* 7b175e46-d975-47c7-b04b-f1c6a7b175d9 */
extern EFI_GUID cede_guid;

/* What the table points to. */
struct presence {
    u32 signature; /* HYPERCALL_SIGNATURE */
    u32 version;   /* CEDE_VERSION */
};

/* The running Cede's, NULL if there is none. */
const struct presence *presence_find(void);

/* Called as a guest. Without memory for it Cede goes unannounced, which only a second one would
 * miss. */
void presence_announce(void);

#endif
