#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "denial.c"

static struct denials denials;

static int set_up(void **state)
{
    (void)state;
    memset(&denials, 0, sizeof(denials));
    return 0;
}

static u64 counted(void)
{
    u64 sum = denials.forgotten;

    for (u32 i = 0; i < DENIAL_SLOTS; i++)
        sum += denials.slot[i].count;
    return sum;
}

static void the_first_says_where(void **state)
{
    struct denial *row;

    (void)state;
    denial_note(&denials, 0x43412e, 100, 0xffffffff81000000, 0x1000);
    denial_note(&denials, 0x43412e, 200, 0x5555, 0x2000);
    row = find(&denials, 0x43412e);
    assert_non_null(row);
    assert_int_equal(row->count, 2);
    assert_int_equal(row->first, 100);
    assert_int_equal(row->last, 200);
    assert_int_equal(row->rip, 0xffffffff81000000);
    assert_int_equal(row->cr3, 0x1000);
    assert_int_equal(denials.total, 2);
}

static void a_repeated_one_is_found_at_once(void **state)
{
    (void)state;
    assert_false(denial_note_again(&denials, 0x43412e, 100));
    assert_int_equal(denials.total, 0);
    denial_note(&denials, 0x43412e, 100, 0, 0);
    assert_true(denial_note_again(&denials, 0x43412e, 300));
    assert_int_equal(find(&denials, 0x43412e)->count, 2);
    assert_int_equal(find(&denials, 0x43412e)->last, 300);
}

/* The same event with another modifier, ring or umask is another row. */
static void modifiers_tell_rows_apart(void **state)
{
    (void)state;
    denial_note(&denials, 0x43412e, 1, 0, 0);
    denial_note(&denials, 0x47412e, 2, 0, 0);
    denial_note(&denials, 0x41412e, 3, 0, 0);
    assert_int_equal(find(&denials, 0x43412e)->count, 1);
    assert_int_equal(find(&denials, 0x47412e)->count, 1);
    assert_int_equal(find(&denials, 0x41412e)->count, 1);
}

/* All want the same home. */
static void neighbours_find_other_slots(void **state)
{
    (void)state;
    for (u64 i = 1; i <= DENIAL_SLOTS; i++)
        denial_note(&denials, i << 32, i, 0, 0);
    for (u64 i = 1; i <= DENIAL_SLOTS; i++)
        assert_int_equal(find(&denials, i << 32)->count, 1);
    assert_int_equal(denials.forgotten, 0);
}

static void the_oldest_makes_room(void **state)
{
    (void)state;
    for (u64 i = 1; i <= DENIAL_SLOTS; i++)
        denial_note(&denials, i << 32, i, 0, 0);
    denial_note(&denials, 1ULL << 32, 50, 0, 0); /* the first is fresh again */
    denial_note(&denials, 99ULL << 32, 51, 0, 0);
    assert_non_null(find(&denials, 1ULL << 32));
    assert_null(find(&denials, 2ULL << 32));
    assert_int_equal(find(&denials, 99ULL << 32)->count, 1);
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
        if (!denial_note_again(&denials, value, i))
            denial_note(&denials, value, i, 0, 0);
        assert_int_equal(denials.total, i);
    }
    assert_int_equal(counted(), denials.total);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(the_first_says_where),      TEST(a_repeated_one_is_found_at_once),
        TEST(modifiers_tell_rows_apart), TEST(neighbours_find_other_slots),
        TEST(the_oldest_makes_room),     TEST(nothing_is_lost_count_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
