/* Maps in the long-mode page table format, which the host's tables, nested page tables
 * (APM 15.25) and, with other permission bits, EPT share. Built at start with the largest pages
 * that fit. */
#ifndef CEDE_PAGE_MAP_H
#define CEDE_PAGE_MAP_H

#include "types.h"

#define PTE_PRESENT  BIT(0)
#define PTE_WRITE    BIT(1)
#define PTE_USER     BIT(2)
#define PTE_PWT      BIT(3)
#define PTE_PCD      BIT(4)
#define PTE_ACCESSED BIT(5)
#define PTE_DIRTY    BIT(6)
#define PTE_LARGE    BIT(7)
#define PTE_NX       BIT(63)
#define PTE_ADDRESS  MASK(51, 12)

#define MAP_LEVELS 5

/* Hands out zeroed pages from [next, end); never takes one back. */
struct page_pool {
    u64 next, end;
};

struct page_map {
    u64 *root;
    u32 levels;     /* 4, or 5 when the firmware runs with CR4.LA57 */
    bool gib_pages; /* 1 GiB leaves allowed */
    u64 table_bits; /* permissions of entries that point to a table: the widest */
    u64 leaf_bits;  /* of ordinary memory in the guest's map */
    u64 write_back; /* bits of a leaf's memory type where the MTRRs have no say */
    u64 shift;      /* address that 0 is mapped to; of the identity: 0 */
    /* While not NULL, what is mapped is a page of ones, everywhere the same: a leaf, and entries of
     * tables that hold nothing else, by level from 1 on. */
    const u64 *ones;
    struct page_pool *pool;
    /* Whether one memory type covers [start, start + size): a larger page must not straddle two
     * (APM 7.7.5, SDM 12.11.9). NULL: always. */
    bool (*uniform)(u64 start, u64 size);
    /* The memory type of a leaf at `start`, as bits of its entry. NULL: none has any. */
    u64 (*type)(u64 start);
};

/* A zeroed page, or NULL when the pool is empty. */
void *page_alloc(struct page_pool *pool);

/* Likewise, `count` of them in a row. */
void *pages_alloc(struct page_pool *pool, u64 count);

/* Takes the root from the pool. False when the pool is empty. */
bool page_map_init(struct page_map *map);

/* Maps [start, end), page-aligned, to itself plus `shift` with `bits` (permissions and memory type;
 * 0 = absent). Splits larger pages as needed. False when the pool is empty: the map is then
 * incomplete. */
bool page_map_range(struct page_map *map, u64 start, u64 end, u64 bits);

/* The 4 KiB entry of `address`, splitting down to it. NULL when the pool is empty. */
u64 *page_map_entry(struct page_map *map, u64 address);

/* Gives every leaf its memory type anew, which is in the bits of `type_mask`, after types have
 * changed. Larger pages that straddle two are split; false when the pool was empty: such a page
 * keeps the type it had. */
bool page_map_retype(struct page_map *map, u64 type_mask);

/* A second map: all of `map` but for the page of `address`, for which it has `leaf`. Its root and
 * its own tables on the way there are `map->levels` pages in a row. Once `map` has an entry of
 * 4 KiB for the page; and again whenever it has changed, under running guests. */
void page_map_twin(const struct page_map *map, u64 *twin, u64 address, u64 leaf);

/* Whether any leaf maps a part of [start, end). */
bool page_map_reaches(const struct page_map *map, u64 start, u64 end);

/* The leaf entry that maps `address`, of whatever size; 0 where nothing does. */
u64 page_map_lookup(const struct page_map *map, u64 address);

#endif
