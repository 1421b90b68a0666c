#include "memory_type.h"

static bool straddles(u64 start, u64 end, u64 border)
{
    return start < border && border < end;
}

/* A mask with a hole in it matches more than one range; such MTRRs do not occur, but are not
 * assumed away. */
static bool contiguous(const struct memory_types *types, u64 mask)
{
    u64 low = ~mask & types->physical_mask;

    return (low & (low + 1)) == 0;
}

static bool variable_uniform(const struct memory_types *types, u32 i, u64 start, u64 end)
{
    u64 base = types->base[i] & types->mask[i];
    u64 size = (~types->mask[i] & types->physical_mask) + 1;

    if (!contiguous(types, types->mask[i]))
        return false;
    return !straddles(start, end, base) && !straddles(start, end, base + size);
}

bool memory_type_uniform(const struct memory_types *types, u64 start, u64 size)
{
    u64 end = start + size;

    if (!types->enabled)
        return true;
    if (types->fixed && start < MIB(1))
        return false;
    if (types->top_of_memory2 && straddles(start, end, types->top_of_memory2))
        return false;
    for (u32 i = 0; i < types->count; i++)
        if (!variable_uniform(types, i, start, end))
            return false;
    return true;
}
