/* What no processor may be told to write to past the maps. */
#include "guest.h"
#include "memory/memory.h"

static bool meet(u64 a, u64 a_size, u64 b, u64 b_size)
{
    return a < b + b_size && b < a + a_size;
}

static bool meets(u64 base, u64 size, const struct boot_range *range)
{
    return meet(base, size, range->base, range->size);
}

bool memory_is_kept(u64 base, u64 size)
{
    bool kept = meets(base, size, &hv.info->region) || meets(base, size, &hv.info->kept) ||
                meet(base, size, hv.info->trampoline, PAGE_SIZE);

    for (u32 i = 1; i < hv.info->guest_count; i++)
        kept |= meets(base, size, &guest_at(i)->boot->memory) ||
                meets(base, size, &guest_at(i)->boot->pristine);
    return kept;
}
