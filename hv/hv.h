/* What all cores share. Written on the boot processor before any core is taken, constant afterwards
 * unless said otherwise. */
#ifndef CEDE_HV_H
#define CEDE_HV_H

#include "boot_info.h"
#include "cpu.h"
#include "base/lock.h"
#include "x86/page_map.h"

struct guest;

struct hv {
    struct boot_info *info; /* our copy, inside the region; `guests` in it likewise */
    u64 cpu_blocks;         /* address of the first */
    u64 host_cr3;           /* roots of the host's own tables, memory/memory.h */
    u64 lean_cr3, full_cr3; /* where there are partitions, else the same */
    u64 host_cr4;
    u32 host_levels; /* of the host's own tables: 5 when the firmware runs with CR4.LA57 */
    bool host_gib_pages;
    bool auto_ibrs; /* AMD: EFER.AIBRSE keeps guests' branches out of the host's predictions */
    struct page_map shape; /* of second-level maps */
    struct page_pool pool; /* start-up allocations */
    struct page_pool first_touch;
    struct guest *guests; /* guest.h */
    bool intel;
    u64 apic_base;                  /* of every core's local APIC */
    u64 map_top;                    /* end of what is mapped from the start */
    u64 phys_limit;                 /* 1 << MAXPHYADDR, or what the second level can map */
    u64 memory_kept, memory_tables; /* bytes, for the operator */
    u32 icr_judged;                 /* apic/icr.h */
    u32 owner_count;
    u16 *owners;     /* by APIC ID, whose a core is; NULL where there is one guest */
    bool police_icr; /* writes to ICRs exit, so that INIT and SIPI are seen before they are sent */
    bool watching;   /* where they need not always: they do now (guest/watch.h; hv_lock) */
    bool released;   /* the firmware has given up the cores that are not its guest's */
    bool trace;      /* slow exits are kept (host/keep.h) */
    bool touched_hidden; /* the first touch of hidden memory was reported (hv_lock) */
};

extern struct hv hv;

/* Second-level table entries, starting and stopping of cores, everything slow that cores share. */
extern struct lock hv_lock;

/* The data of processor `index`, which must be below info->cpu_count. */
static inline struct cpu *cpu_at(u32 index)
{
    return (struct cpu *)(uintptr_t)(hv.cpu_blocks + (u64)index * CPU_BLOCK_SIZE + CPU_STACK_TOP);
}

/* hv/start/entry.S and hv/start/prepare.c: what the loader calls. */
u64 hv_prepare(const struct boot_info *info);

/* hv/host/reset.c: resets the machine by every known way; returns to nobody. */
__attribute__((noreturn)) void platform_reset(void);

/* hv/host/stop.c: stops this core for good; the others go on. */
__attribute__((noreturn)) void cpu_stop(void);

#endif
