/* Reads a guest's memory by linear address, the way its processor fetches instructions.
 *
 * Only bytes that this processor has just fetched (or is about to fetch) are ever asked for, so of
 * the permissions only Present is looked at: U/S, R/W, NX and reserved bits were checked by the
 * processor. The tables may change under the walk (another core writes them); then the answer may
 * be stale or short, never unbounded: a walk reads at most five entries, one page's worth of data
 * follows each. */
#ifndef CEDE_GUEST_MEM_H
#define CEDE_GUEST_MEM_H

#include "types.h"

struct guest_paging {
    u64 cr0, cr3, cr4, efer;
};

/* How guest-physical memory is reached. */
struct guest_memory {
    /* Copies size bytes (1-4096, never across a 4 KiB border) at gpa; false refuses the address,
     * e.g. one that no memory of this guest backs. */
    bool (*read)(void *context, u64 gpa, void *buffer, u32 size);
    void *context;
    u64 address_mask; /* bits 11:0 clear, MAXPHYADDR-1:12 set (CPUID 8000_0008 EAX[7:0]) */
};

/* Linear to guest-physical address; false when an entry is not present or cannot be read. Outside
 * long mode only the low 32 bits of `linear` count. */
bool guest_translate(const struct guest_memory *memory, const struct guest_paging *paging,
                     u64 linear, u64 *gpa);

/* Reads up to `size` bytes at `linear`. Returns how many were read before the first page that is
 * not present or refused: 0 to size. */
u32 guest_read(const struct guest_memory *memory, const struct guest_paging *paging, u64 linear,
               void *buffer, u32 size);

/* Linear address of the instruction at RIP. code64: CS.L in long mode; there CS.base counts as 0
 * (APM vol. 2, 4.8), elsewhere the sum wraps at 4 GiB. */
static inline u64 guest_linear_rip(u64 cs_base, u64 rip, bool code64)
{
    return code64 ? rip : (u32)(cs_base + rip);
}

#endif
