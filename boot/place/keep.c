#include "place/keep.h"

#include "machine/kept_blocks.h"

u32 keep_exits(const struct kept_exit ring[KEPT_EXITS])
{
    u32 count = 0;

    for (u32 i = 0; i < KEPT_EXITS; i++)
        count += ring[i].number != 0;
    return count;
}

static bool has_exits(const struct kept *block)
{
    const struct kept_cede *payload = (const void *)block->payload;

    for (u32 i = 0; i < kept_rings(block); i++)
        if (keep_exits(payload->rings[i]))
            return true;
    return false;
}

struct kept *keep_last(void)
{
    return kept_newest(KEPT_CEDE, has_exits);
}

static void drop_others(const struct kept *last)
{
    for (struct kept *block = NULL, *next; (next = kept_find(KEPT_CEDE, block)); block = next)
        if (next != last)
            kept_drop(next);
}

struct boot_range keep_take(struct kept *last, u32 rings)
{
    struct kept *block;

    drop_others(last);
    if (last)
        kept_hold(last);
    block = kept_alloc(KEPT_CEDE, KEPT_TEXT + rings * sizeof(struct kept_exit[KEPT_EXITS]));
    if (!block)
        return (struct boot_range){0, 0};
    return (struct boot_range){block->base, ALIGN_UP(sizeof *block + block->size, PAGE_SIZE)};
}

void keep_undo(const struct boot_range *range)
{
    if (range->size)
        kept_drop((struct kept *)(uintptr_t)range->base);
}
