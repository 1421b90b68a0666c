#include "x86/memory_type.h"

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

/* Ranges of 64, 16 and 4 KiB below 1 MiB (SDM table 12-9). */
static u32 fixed_range(u64 address)
{
    if (address < 0x80000)
        return (u32)(address >> 16);
    if (address < 0xc0000)
        return 8 + (u32)((address - 0x80000) >> 14);
    return 24 + (u32)((address - 0xc0000) >> 12);
}

/* Where variable ranges overlap: UC wins over all, WT over WB; other pairs are undefined
 * (SDM 12.11.4.1) and become UC here. */
static u8 combine(u8 a, u8 b)
{
    if (a == b)
        return a;
    return (a == TYPE_WT && b == TYPE_WB) || (a == TYPE_WB && b == TYPE_WT) ? TYPE_WT : TYPE_UC;
}

u8 memory_type_of(const struct memory_types *types, u64 address)
{
    bool found = false;
    u8 type = types->default_type;

    if (!types->enabled)
        return TYPE_UC;
    if (types->fixed && address < MIB(1)) {
        u32 range = fixed_range(address);

        return (u8)(types->fixed_types[range / 8] >> range % 8 * 8);
    }
    for (u32 i = 0; i < types->count; i++) {
        if ((address ^ types->base[i]) & types->mask[i])
            continue;
        type = found ? combine(type, types->type[i]) : types->type[i];
        found = true;
    }
    return type;
}

/* By bytes: both are static, so what lies between members is 0 in both. */
bool memory_types_equal(const struct memory_types *a, const struct memory_types *b)
{
    for (u32 i = 0; i < sizeof(*a); i++)
        if (((const u8 *)a)[i] != ((const u8 *)b)[i])
            return false;
    return true;
}
