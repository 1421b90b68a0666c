/* The hypervisor's memory: host page tables (W^X, guard pages) and the guests' second-level maps.
 *
 * A core that is led astray, by speculation too, reaches nothing of another guest's memory, since
 * the host's tables that it is on do not map it:
 *
 *     a core of           is on          which has
 *     the firmware guest  hv.host_cr3    all but the partitions' memory
 *     a partition         hv.lean_cr3    nothing but what is Cede's, and its devices
 *     either, meanwhile   hv.full_cr3    everything: while a partition's memory is filled or read
 */
#ifndef CEDE_MEMORY_H
#define CEDE_MEMORY_H

#include "hv.h"

/* Builds them from hv.pool. Returns HV_OK, HV_REGION_SMALL or HV_BAD_GUESTS. */
enum hv_status memory_prepare(void);

/* The root of the core's second-level map. Only in xAPIC mode the page at hv.apic_base is the local
 * APIC's (SDM 11.4.1, 11.12.2; APM 16.3.1, 16.9). Where it is not, bare reads find ones there and
 * writes are lost; the guest finds a page of ones, which holds what is written, and never exits. */
u64 *memory_root(const struct cpu *cpu);

enum first_touch {
    TOUCH_MAPPED, /* the access can be repeated */
    TOUCH_HIDDEN, /* mapped too, and it was the hypervisor's own memory, for the first time */
    TOUCH_BEYOND, /* outside what the processor can address, or the pool is used up */
};

/* Whether the tenant's writes to the xAPIC page exit. Its cores are stopped, and have to forget
 * what they keep of the map (vendor->flush_map). Call with hv_lock held. */
void memory_guard_apic(bool guarded);

/* Puts ones where a guest may not look, before somebody does: for what must not fault. Nothing is
 * kept of what was not present (SDM 29.4.3.2). */
void memory_show_hidden(const struct guest *guest);

/* Resolves a second-level fault on a page that is not present. Call with hv_lock held. */
enum first_touch memory_first_touch(struct guest *guest, u64 gpa);

/* Whether any of a range is Cede's own or a partition's, so that no processor may be told to write
 * there past the maps. */
bool memory_is_kept(u64 base, u64 size);

/* The memory type that the MTRRs give a guest-physical address; a second-level map's `type` is made
 * of it. */
u8 memory_type_at(u64 gpa);

/* The guest has written MTRRs on this core: the second-level map follows, in the bits of
 * `type_mask`. */
void memory_types_update(u64 type_mask);

/* The running core's tables have everything between these. The first returns what the second wants.
 */
u64 host_map_open(void);
void host_map_close(u64 cr3);

/* Reads guest-physical memory for the instruction decoder; false where there is none to be read.
 * The signature is that of struct guest_paging's reader (guest_mem.h). */
bool memory_read(void *context, u64 gpa, void *buffer, u32 size);

/* The same by linear address; returns how many bytes could be read (guest_read). */
struct guest_paging;
u32 memory_read_linear(const struct cpu *cpu, const struct guest_paging *paging, u64 linear,
                       void *buffer, u32 size);

#endif
