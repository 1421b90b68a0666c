/* What the tests of both vendors' MSR rows share. Included after msr_table.c. */
#ifndef CEDE_MSR_ROWS_CHECK_H
#define CEDE_MSR_ROWS_CHECK_H

/* An access that Linux makes. A denied one must be one that Linux survives: with an accessor that
 * catches the fault (SAFE), or after a feature bit that is hidden (the feature's name). */
#define SAFE       FEATURE_COUNT
#define NOT_DENIED FEATURE_NONE

struct linux_msr {
    u32 first, last;
    u8 step, read, write;
    u8 guard;
    const char *name, *where;
};

/* For tables of these: passes, trapped, trapped writes, frozen, zero, denied; one MSR. */
#define P        MSR_PASS, MSR_PASS, NOT_DENIED
#define T        MSR_TRAP, MSR_TRAP, NOT_DENIED
#define TW       MSR_PASS, MSR_TRAP, NOT_DENIED
#define F        MSR_PASS, MSR_IGNORE, NOT_DENIED
#define Z        MSR_IGNORE, MSR_IGNORE, NOT_DENIED
#define D(guard) MSR_GP, MSR_GP, guard
#define ONE(msr) msr, msr, 1

static bool overlap(const struct msr_row *a, const struct msr_row *b)
{
    if (a->parts && b->parts && !(a->parts & b->parts))
        return false;
    for (u32 msr = a->first; msr <= a->last; msr += a->step)
        if (holds(b, msr))
            return true;
    return false;
}

static void expect_well_formed(const struct msr_rows *table)
{
    for (u32 i = 0; i < table->count; i++) {
        const struct msr_row *row = &table->rows[i];

        assert_true(row->step && row->first <= row->last &&
                    (row->last - row->first) % row->step == 0);
        assert_true(row->rule <= RULE_TRAP_FROZEN && row->feature < FEATURE_COUNT);
        assert_true(row->reason[0]);
        assert_true(i == 0 || row[-1].first <= row->first);
        for (u32 j = 0; j < i; j++)
            if (overlap(row, &table->rows[j]))
                fail_msg("%x and %x overlap", row->first, table->rows[j].first);
    }
}

#endif
