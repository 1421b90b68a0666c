/* What runs when Cede is in place: the program that cede.conf names, else the machine's next boot
 * option (bootorder.h). */
#ifndef CEDE_NEXT_H
#define CEDE_NEXT_H

#include "conf/conf.h"
#include "uefi/uefi.h"

/* Starts it and returns when it does, or when there is nothing to start; the reason has been said.
 * `announce` prints what is started. */
EFI_STATUS next_start(EFI_HANDLE image, const struct conf *conf, bool announce);

/* Says what next_start() would start (cede.efi --check). */
void next_report(EFI_HANDLE image, const struct conf *conf);

/* Reads cede.conf from the volume that our image came from: \cede.conf, else \EFI\cede\cede.conf.
 * None means defaults. False: an error has been said. */
bool conf_load(EFI_HANDLE image, struct conf *conf);

/* The volume that this program was started from. */
EFI_HANDLE own_volume(EFI_HANDLE image);

/* A path of cede.conf as UTF-16 in wide[CONF_PATH], and the volume that has the file, `first` if it
 * does; NULL after saying why there is none. `what` is the key. */
EFI_HANDLE find_file(EFI_HANDLE first, const char *what, const char *path, CHAR16 *wide);

#endif
