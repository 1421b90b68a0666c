/* The library's page tables: identity for the first 512 GiB, everything writable, executable and
 * open to ring 3, and a window of 4 KiB pages whose mapping the tests choose. */
#ifndef CEDE_GUEST_PAGING_H
#define CEDE_GUEST_PAGING_H

#include "types.h"

#define PAGE        4096ULL
#define WINDOW_BASE (1ULL << 40)

enum {
    PTE_P = 1 << 0,
    PTE_RW = 1 << 1,
    PTE_US = 1 << 2,
    PTE_PS = 1 << 7,
    PTE_ALL = PTE_P | PTE_RW | PTE_US,
};
#define PTE_NX BIT(63)

/* Pages that paging_build() wants, below 4 GiB and zeroed. */
#define PAGING_PAGES 14

void paging_build(u64 pages);

/* CR3 for 4-level or 5-level paging; for 32-bit PAE (first 4 GiB) and for 32-bit with 4 MiB pages.
 */
u64 paging_root(bool la57);
u32 paging_root_pae(void);
u32 paging_root_legacy(void);

/* Maps page `slot` (0-511) of the window and returns its address. */
u64 window_map(u32 slot, u64 physical, u64 flags);

/* Maps up to 1 GiB by pages of 4 KiB, behind the window, and returns its address; `pages`, zeroed,
 * become the tables for it. */
#define PAGING_SMALL_PAGES(bytes) (1 + (bytes) / MIB(2))
u64 paging_small(u64 physical, u64 bytes, u64 pages);

#endif
