/* The guests of cede.conf on this machine: which core is whose, and whether all of it can be. Pure,
 * but that it says what is wrong by refuse(): everything at once, each conflict with both lines. */
#ifndef CEDE_PLAN_H
#define CEDE_PLAN_H

#include "conf/conf.h"
#include "preflight.h"

struct plan {
    struct boot_cpu *cpus; /* plan_cores() sets their guest: 0 the firmware's, 1.. the partitions */
    u32 count, bsp;
    u32 thread_bits;           /* of the APIC ID, that tell the threads of a core apart */
    u64 memory;                /* bytes that an OS could use */
    struct boot_guest *guests; /* by those numbers; guests.h fills them */
    u32 guest_count;
};

/* The partition with that number, in the order of the sections from 1 on; NULL: none. */
const struct conf_guest *plan_partition(const struct conf *conf, u32 number);

/* How many there are. */
u32 plan_partitions(const struct conf *conf);

bool plan_cores(const struct conf *conf, struct plan *plan);

/* Whether the partitions' memory leaves the firmware's guest enough. */
bool plan_memory(const struct conf *conf, const struct plan *plan);

/* For plan.thread_bits. */
u32 plan_thread_bits(const struct cpu_ops *cpu);

#endif
