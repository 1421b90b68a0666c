#include "pmu/denial.h"

struct rows {
    struct denial *first;
    u32 count;
};

static struct rows rows_for(struct denials *denials, u64 msr)
{
    return msr ? (struct rows){&denials->row[DENIAL_EVENTS], DENIAL_REGISTERS}
               : (struct rows){&denials->row[0], DENIAL_EVENTS};
}

static struct denial *find(struct rows rows, u64 value, u64 msr)
{
    for (struct denial *row = rows.first; row < rows.first + rows.count; row++)
        if (row->value == value && row->msr == msr)
            return row;
    return NULL;
}

static struct denial *oldest(struct rows rows)
{
    struct denial *best = rows.first;

    for (struct denial *row = rows.first; row < rows.first + rows.count; row++)
        if (row->last < best->last)
            best = row;
    return best;
}

/* An empty row has value 0, and was last used at time 0. */
static struct denial *take_row(struct denials *denials, const struct denial *what)
{
    struct rows rows = rows_for(denials, what->msr);
    struct denial *row = denial_home(denials, (u32)what->value);

    if (what->msr || row->value)
        row = oldest(rows);
    denials->forgotten += row->count;
    *row = *what;
    row->first = what->last;
    return row;
}

void denial_note(struct denials *denials, const struct denial *what)
{
    struct denial *row = find(rows_for(denials, what->msr), what->value, what->msr);

    if (!row)
        row = take_row(denials, what);
    row->count++;
    row->last = what->last;
}

u64 denials_total(const struct denials *denials)
{
    u64 total = denials->forgotten;

    for (u32 i = 0; i < DENIAL_ROWS; i++)
        total += denials->row[i].count;
    return total;
}
