/* Loads a partition's kernel and initrd, and makes all that its memory holds at its start. */
#ifndef CEDE_PARTITION_H
#define CEDE_PARTITION_H

#include "conf/conf.h"
#include "guests/plan.h"
#include "uefi/uefi.h"

/* Whether each partition's files are there and fit into its memory; says what is wrong. */
bool partitions_check(EFI_HANDLE image, const struct conf *conf);

/* Takes memory for all partitions and fills plan->guests. On false everything has been given back,
 * and why has been said. */
bool partitions_load(EFI_HANDLE image, const struct conf *conf, const struct plan *plan,
                     u32 tsc_khz);

/* Gives their memory back. */
void partitions_undo(const struct plan *plan);

#endif
