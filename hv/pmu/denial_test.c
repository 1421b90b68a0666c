#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "pmu/denial.c"

static struct denials denials;

static int set_up(void **state)
{
    (void)state;
    memset(&denials, 0, sizeof(denials));
    return 0;
}

static void note(u64 value, u64 tsc, u64 rip, u64 cr3)
{
    denial_note(&denials, &(struct denial){.value = value, .last = tsc, .rip = rip, .cr3 = cr3});
}

static struct denial *row_of(u64 value)
{
    return find(rows_for(&denials, 0), value, 0);
}

static u64 counted(void)
{
    u64 sum = denials.forgotten;

    for (u32 i = 0; i < DENIAL_ROWS; i++)
        sum += denials.row[i].count;
    return sum;
}

static void the_first_says_where(void **state)
{
    struct denial *row;

    (void)state;
    note(0x43412e, 100, 0xffffffff81000000, 0x1000);
    note(0x43412e, 200, 0x5555, 0x2000);
    row = row_of(0x43412e);
    assert_non_null(row);
    assert_int_equal(row->count, 2);
    assert_int_equal(row->first, 100);
    assert_int_equal(row->last, 200);
    assert_int_equal(row->rip, 0xffffffff81000000);
    assert_int_equal(row->cr3, 0x1000);
    assert_int_equal(denials_total(&denials), 2);
}

/* A register's value says nothing of a selector that has the same. */
static void registers_have_rows_of_their_own(void **state)
{
    (void)state;
    note(0x10001, 1, 0, 0);
    for (u32 msr = 0x1a6; msr <= 0x1a7; msr++)
        denial_note(&denials, &(struct denial){.value = 0x10001, .last = 2, .msr = msr});
    assert_int_equal(row_of(0x10001)->count, 1);
    assert_int_equal(find(rows_for(&denials, 0x1a6), 0x10001, 0x1a6)->count, 1);
    assert_int_equal(find(rows_for(&denials, 0x1a7), 0x10001, 0x1a7)->count, 1);
    assert_int_equal(denials.forgotten, 0);
}

/* Four of them; the oldest makes room for a fifth, and no event does. */
static void registers_have_four_rows(void **state)
{
    (void)state;
    note(0x10001, 1, 0, 0);
    for (u64 value = 1; value <= DENIAL_REGISTERS; value++)
        denial_note(&denials, &(struct denial){.value = value, .last = 100 - value, .msr = 0x1a6});
    denial_note(&denials, &(struct denial){.value = 4, .last = 200, .msr = 0x1a6});
    assert_int_equal(denials.forgotten, 0);
    denial_note(&denials, &(struct denial){.value = 9, .last = 201, .msr = 0x1a6});
    assert_int_equal(denials.forgotten, 1);
    for (u64 value = 1; value <= DENIAL_REGISTERS; value++)
        assert_int_equal(!find(rows_for(&denials, 0x1a6), value, 0x1a6), value == 3);
    assert_int_equal(find(rows_for(&denials, 0x1a6), 9, 0x1a6)->first, 201);
    assert_int_equal(find(rows_for(&denials, 0x1a6), 4, 0x1a6)->count, 2);
    assert_int_equal(row_of(0x10001)->count, 1);
    for (u32 i = DENIAL_EVENTS; i < DENIAL_ROWS; i++)
        assert_int_equal(denials.row[i].msr, 0x1a6);
    assert_int_equal(denials_total(&denials), 7);
}

/* Where the fast path looks (denial_again), while nobody else is there. */
static void an_event_is_at_home_where_there_is_room(void **state)
{
    (void)state;
    for (u64 value = 0x430001; value < 0x430100; value++) {
        set_up(NULL);
        note(value, 5, 0, 0);
        assert_int_equal(denial_home(&denials, (u32)value)->value, value);
    }
    note(0x4301ff, 6, 0, 0);
    assert_int_equal(denials.forgotten, 0);
    assert_int_equal(denials_total(&denials), 2);
}

/* The same event with another modifier, ring or umask is another row. */
static void modifiers_tell_rows_apart(void **state)
{
    (void)state;
    note(0x43412e, 1, 0, 0);
    note(0x47412e, 2, 0, 0);
    note(0x41412e, 3, 0, 0);
    assert_int_equal(row_of(0x43412e)->count, 1);
    assert_int_equal(row_of(0x47412e)->count, 1);
    assert_int_equal(row_of(0x41412e)->count, 1);
}

/* All want the same home. */
static void neighbours_find_other_slots(void **state)
{
    (void)state;
    for (u64 i = 1; i <= DENIAL_EVENTS; i++)
        note(i << 32, i, 0, 0);
    for (u64 i = 1; i <= DENIAL_EVENTS; i++)
        assert_int_equal(row_of(i << 32)->count, 1);
    assert_int_equal(denials.forgotten, 0);
}

static void the_oldest_makes_room(void **state)
{
    (void)state;
    for (u64 i = 1; i <= DENIAL_EVENTS; i++)
        note(i << 32, i, 0, 0);
    note(1ULL << 32, 50, 0, 0); /* the first is fresh again */
    note(99ULL << 32, 51, 0, 0);
    assert_non_null(row_of(1ULL << 32));
    assert_null(row_of(2ULL << 32));
    assert_int_equal(row_of(99ULL << 32)->count, 1);
    assert_int_equal(denials.forgotten, 1);
}

/* Whatever comes, every denial is in a row or among the forgotten. */
static void nothing_is_lost_count_of(void **state)
{
    u64 seed = 1;

    (void)state;
    for (u64 i = 1; i <= 100000; i++) {
        u64 value;

        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        value = (seed >> 33) % 40 + 0x430000;
        note(value, i, 0, 0);
        assert_int_equal(denials_total(&denials), i);
    }
    assert_int_equal(counted(), denials_total(&denials));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(the_first_says_where),      TEST(registers_have_rows_of_their_own),
        TEST(modifiers_tell_rows_apart), TEST(neighbours_find_other_slots),
        TEST(the_oldest_makes_room),     TEST(nothing_is_lost_count_of),
        TEST(registers_have_four_rows),  TEST(an_event_is_at_home_where_there_is_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
