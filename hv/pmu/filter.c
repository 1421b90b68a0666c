#include "pmu/filter.h"

void filter_start(struct filter *filter, const struct filter_format *format, u64 modifiers)
{
    /* UMASK2 always: filter_allows_halves() does not look at it. */
    u64 refused = ~(format->free | (modifiers & format->modifiers)) | format->umask2;

    filter->refused_low = (u32)refused;
    filter->refused_high = (u32)(refused >> 32);
    filter->event_high = (u32)(format->event_high >> 32);
    filter->umask2 = (u32)(format->umask2 >> 32);
    for (u32 i = 0; i < COUNT(filter->allowed); i++)
        filter->allowed[i] = 0;
    filter->plane[0] = 0;
    for (u32 i = 1; i < COUNT(filter->plane); i++) /* nobody asks where there is no UMASK2 */
        filter->plane[i] = FILTER_OTHER_UMASK2;
}

/* Bits 31:0 are the selects 32 * word and up, of a plane and an umask. */
static u32 *word_of(struct filter *filter, u32 plane, u32 umask, u32 word)
{
    return &filter->allowed[(plane << 16 | umask << 8) / 32 + word];
}

/* Of the 32 selects of a word, those from `first` to `last` that may ever be allowed. */
static u32 possible(const struct filter_format *format, u32 word, u32 first, u32 last)
{
    u32 bits = 0;

    for (u32 select = MAX(first, word * 32); select <= MIN(last, word * 32 + 31); select++)
        if (!format->never || (select & format->never) != format->never)
            bits |= 1U << select % 32;
    return bits;
}

/* Selects first to last, both below 256, with the entry's umasks. */
static void set_plane(struct filter *filter, const struct filter_format *format, u32 plane,
                      const struct filter_entry *entry, u32 first, u32 last, bool allowed)
{
    for (u32 word = first / 32; word <= last / 32; word++) {
        u32 bits = possible(format, word, first, last);

        for (u32 umask = 0; umask < 256; umask++) {
            u32 *at = word_of(filter, plane, umask, word);

            if ((umask & entry->mask) == entry->match)
                *at = allowed ? *at | bits : *at & ~bits;
        }
    }
}

/* The first entry to name a value of UMASK2 gives it a plane of its own, which has had all that was
 * said of any value. Named values beyond the 14th are denied. */
static u8 plane_for(struct filter *filter, u32 umask2)
{
    u32 named = 0;

    if (!umask2 || filter->plane[umask2] != FILTER_OTHER_UMASK2)
        return filter->plane[umask2];
    for (u32 i = 1; i < COUNT(filter->plane); i++)
        if (filter->plane[i] != FILTER_OTHER_UMASK2)
            named = MAX(named, (u32)filter->plane[i]);
    if (named == FILTER_NAMED_UMASK2)
        return filter->plane[umask2] = 0;
    return filter->plane[umask2] = (u8)(named + 1);
}

static void set_umask2(struct filter *filter, const struct filter_format *format,
                       const struct filter_entry *entry, bool allowed)
{
    u32 first = entry->first, last = MIN(entry->last, 0xff);
    u32 from = 0, to = FILTER_OTHER_UMASK2;

    if (first > last)
        return;
    if (entry->umask2 != ANY_UMASK2) {
        from = to = plane_for(filter, entry->umask2);
        if (entry->umask2 && !to)
            return;
    }
    for (u32 plane = from; plane <= to; plane++)
        set_plane(filter, format, plane, entry, first, last, allowed);
}

static void set_selects(struct filter *filter, const struct filter_format *format,
                        const struct filter_entry *entry, bool allowed)
{
    u32 planes = (u32)(format->event_high >> 32);

    if (entry->umask2 && entry->umask2 != ANY_UMASK2)
        return;
    for (u32 high = entry->first >> 8; high <= (u32)entry->last >> 8; high++) {
        u32 first = high == entry->first >> 8 ? entry->first & 0xff : 0;
        u32 last = high == entry->last >> 8 ? entry->last & 0xff : 0xff;

        if (!(high & ~planes))
            set_plane(filter, format, high, entry, first, last, allowed);
    }
}

void filter_set(struct filter *filter, const struct filter_format *format,
                const struct filter_entry *entry, bool allowed)
{
    if (format->umask2)
        set_umask2(filter, format, entry, allowed);
    else
        set_selects(filter, format, entry, allowed);
}

void filter_set_all(struct filter *filter, const struct filter_format *format,
                    const struct filter_entry *entries, u32 count)
{
    for (u32 i = 0; i < count; i++)
        if (!entries[i].exclude)
            filter_set(filter, format, &entries[i], true);
    for (u32 i = 0; i < count; i++)
        if (entries[i].exclude)
            filter_set(filter, format, &entries[i], false);
}

void filter_build(struct filter *filter, const struct filter_format *format, u64 modifiers,
                  const struct filter_entry *entries, u32 count)
{
    filter_start(filter, format, modifiers);
    filter_set_all(filter, format, entries, count);
}
