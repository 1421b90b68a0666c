/* The hypervisor's side of hypercall.h. */
#ifndef CEDE_HYPERCALL_IMPL_H
#define CEDE_HYPERCALL_IMPL_H

#include "cpu.h"

/* The answer to a call that carried the signature and came from CPL 0. Only HYPERCALL_RELEASED
 * changes something: it starts the partitions. */
u64 hypercall(const struct cpu *self, u32 call, u32 core, u32 item);

/* Calls that the image was linked with beyond those of hypercall.h; HYPERCALL_ERROR for none. */
u64 hypercall_extra(u32 call, u32 item);

#endif
