#include "selftest/mapped.h"

enum { PRESENT = 1, LARGE = 1 << 7, LEVEL_BITS = 9, PAGE_BITS = 12 };

static u64 entry_at(u64 table, u32 level, u64 address)
{
    u64 index = address >> (PAGE_BITS + LEVEL_BITS * (level - 1)) & ((1 << LEVEL_BITS) - 1);

    return ((const u64 *)(table & MASK(51, 12)))[index];
}

bool is_mapped(u64 root, u32 levels, u64 address)
{
    u64 entry = root;

    for (u32 level = levels; level; level--) {
        entry = entry_at(entry, level, address);
        if (!(entry & PRESENT))
            return false;
        if ((entry & LARGE) && level <= 3 && level > 1)
            return true;
    }
    return true;
}
