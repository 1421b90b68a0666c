#include "guest/check.h"

static bool overlap(const struct boot_range *a, const struct boot_range *b)
{
    return a->base < b->base + b->size && b->base < a->base + a->size;
}

static bool holds(const struct boot_range *outer, u64 base, u64 size)
{
    return size <= outer->size && base >= outer->base && base - outer->base <= outer->size - size;
}

static bool range_is_sane(const struct boot_range *range, u64 alignment, u64 top)
{
    const struct boot_range all = {0, top};

    return range->size && range->base % alignment == 0 && range->size % alignment == 0 &&
           holds(&all, range->base, range->size);
}

static bool is_whole(const struct boot_guest *guest)
{
    const struct boot_range memory = {0, guest->memory.size};

    if (guest->piece_count > GUEST_PIECES)
        return false;
    for (u32 i = 0; i < guest->piece_count; i++) {
        const struct boot_piece *piece = &guest->pieces[i];

        if (!holds(&guest->pristine, piece->source, piece->size) ||
            !holds(&memory, piece->gpa, piece->size))
            return false;
    }
    return true;
}

static bool has_its_cores(const struct boot_info *info, u32 number, u32 boot_cpu)
{
    if (boot_cpu >= info->cpu_count || info->cpus[boot_cpu].guest != number)
        return false;
    for (u32 i = 0; i < info->cpu_count; i++)
        if (info->cpus[i].guest == number && !info->cpus[i].firmware)
            return false;
    return true;
}

static bool is_apart(const struct boot_info *info, const struct boot_guest *guests,
                     const struct boot_range *range)
{
    const struct boot_range trampoline = {info->trampoline, PAGE_SIZE};

    if (overlap(range, &info->region) || overlap(range, &info->kept) || overlap(range, &trampoline))
        return false;
    for (u32 i = 1; i < info->guest_count; i++)
        if ((&guests[i].memory != range && overlap(&guests[i].memory, range)) ||
            (&guests[i].pristine != range && overlap(&guests[i].pristine, range)))
            return false;
    return true;
}

static bool partition_is_sane(const struct boot_info *info, const struct boot_guest *guests,
                              u32 number, u64 top)
{
    const struct boot_guest *guest = &guests[number];

    return guest->boot == GUEST_LINUX && has_its_cores(info, number, guest->boot_cpu) &&
           range_is_sane(&guest->memory, MIB(2), top) &&
           range_is_sane(&guest->pristine, PAGE_SIZE, top) && is_whole(guest) &&
           is_apart(info, guests, &guest->memory) && is_apart(info, guests, &guest->pristine);
}

bool guests_are_sane(const struct boot_info *info, const struct boot_guest *guests, u64 top)
{
    if (guests[0].boot != GUEST_FIRMWARE || info->cpus[info->bsp].guest)
        return false;
    for (u32 i = 0; i < info->cpu_count; i++)
        if (info->cpus[i].guest >= info->guest_count)
            return false;
    for (u32 i = 1; i < info->guest_count; i++)
        if (!partition_is_sane(info, guests, i, top))
            return false;
    return true;
}
