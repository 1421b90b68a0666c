/* Calling into the hypervisor image. The firmware may have mapped the region that holds it as data,
 * not executable, so the call is made on page tables of our own: a plain identity map of all that
 * there is, everything writable and executable, used for that call only. */
#ifndef CEDE_SWITCH_H
#define CEDE_SWITCH_H

#include "types.h"

struct boot_info;

/* Calls entry(info, operation, index) with interrupts off on page tables `cr3`, and returns its
 * result. After HV_START has returned HV_OK the caller is a guest. Needs some 200 bytes of the
 * caller's stack. */
u64 hv_call(u64 entry, u64 cr3, const struct boot_info *info, u64 operation, u64 index);

#endif
