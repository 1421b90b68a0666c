/* Starting another EFI program and coming back: for the tests that provoke Cede's refusals. */
#ifndef CEDE_GUEST_CHAIN_H
#define CEDE_GUEST_CHAIN_H

#include <efi.h>
#include "types.h"

/* Loads and starts the first word of the load options, by default \cede.efi, from the volume that
 * this program came from; the other words are its load options. False when it could not be loaded;
 * *status is LoadImage's or StartImage's. */
bool chain(EFI_STATUS *status);

/* Likewise, of what is given here. */
bool chain_to(const char *file, const void *options, u32 size, EFI_STATUS *status);

/* The device path of a file on that volume, and how many bytes it has; until the next call. */
const u8 *chain_path(const char *file, u32 *size);

/* The probe `chain-returns`: it was loaded, and came back with an error. */
void chain_expect_refusal(void);

/* The probe `firmware usable`: pages, time, events, processors. */
void firmware_probe(void);

#endif
