#include "machine/tables.h"

#include "boot_info.h"

/* APM 5.3: present, writable, accessed; a large page also dirty and PS. Never NX. */
enum { ENTRIES = 512, TABLE = 0x23, LARGE = 0xe3 };

/* Pages that each level takes. Each is one contiguous array, in this order, so that page n of a
 * level is entry n of the level above. */
struct levels {
    u64 directories, pointers, level4, level5;
};

static u64 pages_for(u64 entries)
{
    return (entries + ENTRIES - 1) / ENTRIES;
}

static struct levels levels_of(const struct tables_shape *shape)
{
    u64 gibs = ALIGN_UP(shape->top, GIB(1)) / GIB(1);
    u64 pointers = pages_for(gibs);

    return (struct levels){shape->gib_pages ? 0 : gibs, pointers, pages_for(pointers),
                           shape->five_levels};
}

static void fill(u64 *table, u64 count, u64 first, u64 step, u64 flags)
{
    for (u64 i = 0; i < count; i++)
        table[i] = (first + i * step) | flags;
}

u64 tables_size(const struct tables_shape *shape)
{
    struct levels n = levels_of(shape);

    return (n.directories + n.pointers + n.level4 + n.level5) * PAGE_SIZE;
}

u64 tables_fill(const struct tables_shape *shape, u64 *memory, u64 base)
{
    struct levels n = levels_of(shape);
    u64 gibs = ALIGN_UP(shape->top, GIB(1)) / GIB(1);
    u64 pointers = n.directories, level4 = pointers + n.pointers, level5 = level4 + n.level4;

    fill(memory, n.directories * ENTRIES, 0, MIB(2), LARGE);
    if (shape->gib_pages)
        fill(memory + pointers * ENTRIES, gibs, 0, GIB(1), LARGE);
    else
        fill(memory + pointers * ENTRIES, gibs, base, PAGE_SIZE, TABLE);
    fill(memory + level4 * ENTRIES, n.pointers, base + pointers * PAGE_SIZE, PAGE_SIZE, TABLE);
    if (shape->five_levels)
        fill(memory + level5 * ENTRIES, n.level4, base + level4 * PAGE_SIZE, PAGE_SIZE, TABLE);
    return base + (shape->five_levels ? level5 : level4) * PAGE_SIZE;
}
