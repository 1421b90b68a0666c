#include "x86/page_map.h"
#include "boot_info.h"

static u32 index_of(u64 address, u32 level)
{
    return (address >> (12 + 9 * (level - 1))) & 511;
}

static u64 span_of(u32 level)
{
    return PAGE_SIZE << (9 * (level - 1));
}

void *page_alloc(struct page_pool *pool)
{
    u64 *page = (u64 *)(uintptr_t)pool->next;

    if (pool->next >= pool->end)
        return NULL;
    pool->next += PAGE_SIZE;
    for (u32 i = 0; i < 512; i++)
        page[i] = 0;
    return page;
}

void *pages_alloc(struct page_pool *pool, u64 count)
{
    void *first = page_alloc(pool);

    for (u64 i = 1; first && i < count; i++)
        if (!page_alloc(pool))
            return NULL;
    return first;
}

bool page_map_init(struct page_map *map)
{
    map->root = page_alloc(map->pool);
    return map->root != NULL;
}

/* Fills `table` so that it maps what the larger page `leaf` mapped. */
static void fill_split(u64 *table, u64 leaf, u32 level)
{
    u64 bits = level == 1 ? leaf & ~PTE_LARGE : leaf;

    for (u64 i = 0; i < 512; i++)
        table[i] = bits + i * span_of(level);
}

/* The table below `entry`, which lies at `level`; made, or split from a larger page, if need be.
 * Linked last, so that a processor walking meanwhile sees the old or the new state. */
static u64 *descend(struct page_map *map, u64 *entry, u32 level)
{
    u64 old = *entry;
    u64 *table;

    if ((old & PTE_PRESENT) && !(old & PTE_LARGE))
        return (u64 *)(uintptr_t)(old & PTE_ADDRESS);
    table = page_alloc(map->pool);
    if (!table)
        return NULL;
    if (old & PTE_PRESENT)
        fill_split(table, old, level - 1);
    *(volatile u64 *)entry = (u64)(uintptr_t)table | map->table_bits;
    return table;
}

static bool leaf_fits(const struct page_map *map, u64 start, u64 end, u32 level)
{
    u64 span = span_of(level);

    if (level == 1)
        return true;
    if (map->ones)
        return start % span == 0 && end - start == span;
    if ((start + map->shift) % span)
        return false;
    if (level > 3 || (level == 3 && !map->gib_pages) || start % span || end - start < span)
        return false;
    return !map->uniform || map->uniform(start, span);
}

static u64 type_of(const struct page_map *map, u64 start)
{
    return map->type ? map->type(start) : 0;
}

static u64 leaf_of(const struct page_map *map, u64 start, u32 level, u64 bits)
{
    if (map->ones)
        return map->ones[level - 1];
    return bits ? (start + map->shift) | bits | type_of(map, start) | (level > 1 ? PTE_LARGE : 0)
                : 0;
}

static bool map_level(struct page_map *map, u64 *table, u32 level, u64 start, u64 end, u64 bits)
{
    u64 next;

    for (u64 at = start; at < end; at = next) {
        u64 *entry = &table[index_of(at, level)];

        next = MIN(ALIGN_DOWN(at, span_of(level)) + span_of(level), end);
        if (leaf_fits(map, at, next, level)) {
            *(volatile u64 *)entry = leaf_of(map, at, level, bits);
        } else {
            u64 *lower = descend(map, entry, level);

            if (!lower || !map_level(map, lower, level - 1, at, next, bits))
                return false;
        }
    }
    return true;
}

bool page_map_range(struct page_map *map, u64 start, u64 end, u64 bits)
{
    return map_level(map, map->root, map->levels, start, end, bits);
}

static bool is_table(u64 entry, u32 level)
{
    return level > 1 && (entry & PTE_PRESENT) && !(entry & PTE_LARGE);
}

static bool one_type(const struct page_map *map, u64 start, u32 level)
{
    return level == 1 || !map->uniform || map->uniform(start, span_of(level));
}

static bool retype_level(struct page_map *map, u64 *table, u32 level, u64 start, u64 mask)
{
    bool whole = true;

    for (u64 *entry = table; entry < table + 512; entry++, start += span_of(level)) {
        u64 *lower;

        if (!(*entry & PTE_PRESENT))
            continue;
        if (!is_table(*entry, level) && one_type(map, start, level)) {
            *(volatile u64 *)entry = (*entry & ~mask) | type_of(map, start);
            continue;
        }
        lower = descend(map, entry, level);
        whole = lower && retype_level(map, lower, level - 1, start, mask) && whole;
    }
    return whole;
}

bool page_map_retype(struct page_map *map, u64 type_mask)
{
    return retype_level(map, map->root, map->levels, 0, type_mask);
}

u64 *page_map_entry(struct page_map *map, u64 address)
{
    u64 *table = map->root;

    for (u32 level = map->levels; level > 1; level--) {
        table = descend(map, &table[index_of(address, level)], level);
        if (!table)
            return NULL;
    }
    return &table[index_of(address, 1)];
}

u64 page_map_lookup(const struct page_map *map, u64 address)
{
    const u64 *table = map->root;

    for (u32 level = map->levels;; level--) {
        u64 entry = table[index_of(address, level)];

        if (!(entry & PTE_PRESENT))
            return 0;
        if (level == 1 || (entry & PTE_LARGE))
            return entry;
        table = (const u64 *)(uintptr_t)(entry & PTE_ADDRESS);
    }
}

static void copy_entries(u64 *to, const u64 *from, u32 except)
{
    for (u32 i = 0; i < 512; i++)
        if (i != except)
            *(volatile u64 *)&to[i] = from[i];
}

void page_map_twin(const struct page_map *map, u64 *twin, u64 address, u64 leaf)
{
    const u64 *table = map->root;

    for (u32 level = map->levels; level; level--, twin += 512) {
        u32 own = index_of(address, level);
        u64 below = (u64)(uintptr_t)(twin + 512) | map->table_bits;

        copy_entries(twin, table, own);
        *(volatile u64 *)&twin[own] = level > 1 ? below : leaf;
        table = (const u64 *)(uintptr_t)(table[own] & PTE_ADDRESS);
    }
}

static bool table_reaches(const u64 *table, u32 level, u64 start, u64 end)
{
    const u64 *below = NULL; /* of tables of ones many entries in a row are the same */

    for (u32 i = 0; i < 512; i++) {
        u64 entry = table[i], at = entry & PTE_ADDRESS & ~(span_of(level) - 1);
        const u64 *lower = (const u64 *)(uintptr_t)(entry & PTE_ADDRESS);

        if (!(entry & PTE_PRESENT))
            continue;
        if (!is_table(entry, level)) {
            if (at < end && start < at + span_of(level))
                return true;
        } else if (lower != below) {
            if (table_reaches(lower, level - 1, start, end))
                return true;
            below = lower;
        }
    }
    return false;
}

bool page_map_reaches(const struct page_map *map, u64 start, u64 end)
{
    return table_reaches(map->root, map->levels, start, end);
}
