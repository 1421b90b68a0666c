#include "pmu/filter.h"

static bool exists(const struct filter_format *format, u32 event)
{
    return !(event & ~(0xff | (u32)(format->event_high >> 24))) &&
           !(format->never && (event & format->never) == format->never);
}

static void set(struct filter *filter, u32 event, u32 umask, bool allowed)
{
    u32 bit = (event >> 8) << 16 | umask << 8 | (event & 0xff);

    if (allowed)
        filter->allowed[bit / 32] |= 1U << bit % 32;
    else
        filter->allowed[bit / 32] &= ~(1U << bit % 32);
}

static void apply(struct filter *filter, const struct filter_format *format,
                  const struct filter_entry *entry)
{
    for (u32 event = entry->first; event <= entry->last; event++)
        for (u32 umask = 0; umask < 256; umask++)
            if (exists(format, event) && (umask & entry->mask) == entry->match)
                set(filter, event, umask, !entry->exclude);
}

void filter_build(struct filter *filter, const struct filter_format *format, u64 modifiers,
                  const struct filter_entry *entries, u32 count)
{
    u64 refused = ~(format->free | (modifiers & format->modifiers));

    filter->refused_low = (u32)refused;
    filter->refused_high = (u32)(refused >> 32);
    filter->event_high = (u32)(format->event_high >> 32);
    for (u32 i = 0; i < COUNT(filter->allowed); i++)
        filter->allowed[i] = 0;
    /* Excludes win wherever they stand. */
    for (u32 i = 0; i < count; i++)
        if (!entries[i].exclude)
            apply(filter, format, &entries[i]);
    for (u32 i = 0; i < count; i++)
        if (entries[i].exclude)
            apply(filter, format, &entries[i]);
}
