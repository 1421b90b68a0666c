/* Every MSR that a guest meets, listed by what it gets of it: for tests that hold a table of rows
 * against the manuals' lists. Included after msr_table.c. */
#ifndef CEDE_MSR_LISTS_H
#define CEDE_MSR_LISTS_H

struct msr_range {
    u32 first, last;
};

struct msr_list {
    u8 read, write;
    u8 feature; /* enum feature: that the MSRs belong to */
    u8 parts;   /* enum msr_part: where this holds; 0: everywhere */
    u8 step;
    const struct msr_range *ranges;
    u32 count;
};

/* What a read and a write do. */
#define PASSES         MSR_PASS, MSR_PASS
#define TRAPPED        MSR_TRAP, MSR_TRAP
#define WRITES_TRAPPED MSR_PASS, MSR_TRAP
#define EDITED         MSR_TRAP, MSR_GP
#define READ_ONLY      MSR_PASS, MSR_GP
#define FROZEN         MSR_PASS, MSR_IGNORE
#define DENIED         MSR_GP, MSR_GP
#define ZEROED         MSR_IGNORE, MSR_IGNORE

/* `actions`: one of those; of each range every step-th. */
#define MSRS(step, actions, feature, parts, ...)                                       \
    {                                                                                  \
        actions, feature, parts, step, (const struct msr_range[]){__VA_ARGS__},        \
            sizeof((const struct msr_range[]){__VA_ARGS__}) / sizeof(struct msr_range) \
    }

/* All that manuals name, and what is between and around. */
static const struct msr_range msr_space[] = {
    {0x00000000, 0x00004fff}, {0x3ffffff0, 0x4000002f}, {0x4000fff0, 0x4001000f},
    {0x4b564cf0, 0x4b564e0f}, {0xc0000000, 0xc000301f}, {0xc000fff0, 0xc001200f},
    {0xfffffff0, 0xfffffffe},
};

static bool is_listed(const struct msr_list *list, u32 msr)
{
    for (u32 i = 0; i < list->count; i++)
        if (msr >= list->ranges[i].first && msr <= list->ranges[i].last &&
            (msr - list->ranges[i].first) % list->step == 0)
            return true;
    return false;
}

/* NULL: not listed for processors of this part. */
static const struct msr_list *list_of(const struct msr_list *lists, u32 count, u32 msr, u8 part)
{
    for (u32 i = 0; i < count; i++)
        if ((!lists[i].parts || (lists[i].parts & part)) && is_listed(&lists[i], msr))
            return &lists[i];
    return NULL;
}

typedef void msr_check(const struct msr_context *cpu, u32 msr);

static void check_all_msrs(const struct msr_context *cpu, msr_check *check)
{
    for (u32 i = 0; i < COUNT(msr_space); i++)
        for (u32 msr = msr_space[i].first; msr <= msr_space[i].last; msr++)
            check(cpu, msr);
}

/* A denied MSR's feature is what CPUID hides for its sake, whether or not it is ever granted. */
static void check_features(const struct msr_rows *table, const struct msr_list *lists, u32 count)
{
    for (u32 i = 0; i < table->count; i++) {
        const struct msr_row *row = &table->rows[i];
        u8 part = row->parts ? (u8)(row->parts & -row->parts) : PART_OTHER;
        const struct msr_list *list = list_of(lists, count, row->first, part);

        if (!list || list->feature != row->feature)
            fail_msg("%x (%s) names feature %u", row->first, row->reason, row->feature);
    }
}

#endif
