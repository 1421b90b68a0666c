/* The screen that the firmware draws on. */
#ifndef CEDE_BOOT_SCREEN_H
#define CEDE_BOOT_SCREEN_H

#include "boot_info.h"

/* The first linear frame buffer with 32-bit pixels, or one of width 0. `pci` is where PCI
 * configuration space is in memory, or 0. */
struct boot_screen screen_find(u64 pci);

#endif
