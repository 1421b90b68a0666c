/* The resource list that a PCI root bridge reports (UEFI 14.2, EFI_PCI_ROOT_BRIDGE_IO_PROTOCOL
 * .Configuration(); descriptors of ACPI 6.4.3.5.1). Pure. */
#ifndef CEDE_BRIDGE_H
#define CEDE_BRIDGE_H

#include "types.h"

/* End of the highest memory window in the list, 0 if there is none. The list carries no size: it
 * ends at its end tag, or where it stops making sense. */
u64 bridge_memory_top(const u8 *list);

#endif
