/* What the files of this room share. */
#ifndef CEDE_MEMORY_PARTS_H
#define CEDE_MEMORY_PARTS_H

#include "hv.h"

/* memory_types.c: reads the MTRRs of this processor, whose types hold from now on; whether a range
 * has one type throughout. */
void memory_types_prepare(void);
bool memory_types_uniform(u64 start, u64 size);

/* host_map.c: hv.host_cr3 and its like. False: no memory left in hv.pool. */
bool host_map_build(void);

/* guest_map.c: after the firmware's guest's map has changed. */
void memory_follow(void);

/* guest_map.c: whether an address lies in a range; in what is Cede's; in what is a partition's. */
bool in_range(u64 address, u64 base, u64 size);
bool is_hidden(u64 gpa);
bool is_partitions(u64 address);

#endif
