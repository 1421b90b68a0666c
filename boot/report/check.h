/* `cede.efi --check`: what an operator sends when a server does not boot under Cede. Every line
 * starts with "cede: " and fits 80 columns, so that it survives a serial line and a mail. */
#ifndef CEDE_CHECK_H
#define CEDE_CHECK_H

#include "conf/options.h"
#include "uefi/uefi.h"

/* Reports on the console and changes nothing. An error if Cede would refuse to start here. */
EFI_STATUS check_report(EFI_HANDLE image, const struct options *options);

/* check_cpu.c */
void check_cpu_report(void);

#endif
