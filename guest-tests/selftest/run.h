/* Starting what a step consists of. */
#ifndef CEDE_SELFTEST_RUN_H
#define CEDE_SELFTEST_RUN_H

#include "kept.h"
#include "selftest/steps.h"
#include "uefi/uefi.h"

/* Returns only if the step came back. What it prints meanwhile goes into the block, too. */
EFI_STATUS run_step(EFI_HANDLE image, const struct step *step, struct kept *block);

/* Cede starts this program next, as its guest. True: that is what has happened, and the test came
 * back with this status. */
bool run_ordered(EFI_HANDLE image, EFI_STATUS *status);

/* The firmware boots from the stick next, too, if it can be told so. */
void run_boot_here_again(void);

#endif
