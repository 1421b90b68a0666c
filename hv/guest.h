/* A guest: the cores, the memory, the permissions and the PMU policy of one tenant. guests[0] is
 * the firmware's: whatever is no partition's. Nothing is shared and nothing is scheduled: a core
 * changes its guest once, when boot services end (guest_claim), and never again.
 *
 *                       start                        pause, resume
 *     STOPPED  -------------------------->  RUNNING  <----------->  PAUSED
 *              <--------------------------
 *       stop, a triple fault, an exit that
 *       nobody expects: the next `life` begins
 *
 * Whoever changes the state stops the guest's cores meanwhile (kick.h), and they attend to it
 * before they enter the guest again. A core that finds that the life it was in is over never does:
 * the boot core waits for the next start, the others for INIT and SIPI. */
#ifndef CEDE_GUEST_H
#define CEDE_GUEST_H

#include "serial/virtual_uart.h"
#include "cpu.h"
#include "hv.h"
#include "msr/msr_table.h"

#define NO_OWNER 0xffff

enum guest_run { GUEST_STOPPED, GUEST_RUNNING, GUEST_PAUSED };

struct guest_pmu {
    u8 mode;                     /* enum pmu_mode */
    u32 generation;              /* changes so far */
    const struct filter *filter; /* what exits ask; but in PMU_FILTERED it denies everything */
    struct filter *list;         /* what PMU_FILTERED allows, kept in the other modes too */
    struct pmu_policy policy;    /* that it was built from, without its events */
    struct pmu_intel_limits limits;
};

struct guest {
    const struct boot_guest *boot;
    u32 index;
    volatile u8 state;   /* enum guest_run */
    volatile u32 life;   /* cpu->life of a core that runs it, or may */
    struct page_map map; /* second level; entries change under hv_lock only */
    u64 *no_apic; /* of the firmware's: the map of cores whose APIC has no page (memory_root) */
    u64 ones[MAP_LEVELS];   /* what it finds where nothing is: page_map.h */
    u64 msr_map, io_map;    /* permission maps, in the vendor's format */
    struct msr_context msr; /* what the MSR table is judged by */
    struct guest_pmu pmu;
    struct virtual_uart uart; /* of a partition */
};

/* Of guest `index`, which must be below info->guest_count. */
static inline struct guest *guest_at(u32 index)
{
    return &hv.guests[index];
}

/* The firmware's. */
static inline struct guest *tenant(void)
{
    return hv.guests;
}

/* At start, from hv.pool: first what the loader says of them, then, when vendor and memory are
 * prepared, their policies and permissions. */
bool guests_describe(void);
bool guests_prepare(void);

/* From now on the core is this guest's. */
void guest_own(struct cpu *cpu, struct guest *guest);

/* The host's tables while a core is this guest's: memory/memory.h. */
static inline u64 guest_host_cr3(const struct guest *guest)
{
    return guest->index ? hv.lean_cr3 : hv.host_cr3;
}

static inline bool is_partition(const struct guest *guest)
{
    return guest->index;
}

/* Whose the core is once the firmware has given it up. */
static inline struct guest *guest_home(const struct cpu *cpu)
{
    return guest_at(hv.info->cpus[cpu->index].guest);
}

/* --- hv/guest/life.c ---------------------------------------------------------------------------
 */

/* Boot services have ended: takes the partitions' cores from the firmware, and starts them. */
void guests_release(struct cpu *self);

/* On a core that an INIT has brought out of the firmware's guest: does not return if it is a
 * partition's. */
void guest_claim(struct cpu *cpu);

/* On a core whose guest is out and which holds no lock: waits while the guest is paused; does not
 * return if the core's life in it is over. */
void guest_attend(struct cpu *self);

/* For the console. They return how many cores it was about. `self` may be one of the guest's: it
 * must attend afterwards. */
u32 guest_pause(struct cpu *self, struct guest *guest);
u32 guest_resume(struct cpu *self, struct guest *guest);
u32 guest_stop(struct cpu *self, struct guest *guest);

/* One that is stopped: as at its first start, memory included. */
void guest_start(struct guest *guest);

/* A partition has done what nobody can go on from; said already. */
__attribute__((noreturn)) void guest_fail(struct cpu *self);

/* On a core whose guest the processor has just refused to enter. Returns, for the reason to be said
 * and the life to end; but not when nothing has exited since the last time: what is written at the
 * beginning of a life is refused in the next one too, so the core is stopped. */
void guest_refused(struct cpu *self);

/* Its cores in this state. */
u32 guest_cores(const struct guest *guest, enum core_state state);

#endif
