#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "selftest/mapped.c"
#include "x86/guest_mem.c"

/* [0] is the page table, [4] the root of five levels. */
static u64 tables[5][512] __attribute__((aligned(4096)));

static void build(void **state)
{
    (void)state;
    memset(tables, 0, sizeof tables);
    for (u32 level = 1; level < 5; level++)
        tables[level][level] = (u64)tables[level - 1] | 3;
    tables[0][7] = 0x1000 | 1;
}

/* Entry 1 of the directory, 2, 3 and 4 of those above it. */
#define HERE ((2ULL << 30) + (1ULL << 21) + (3ULL << 39))

static void small_pages(void **state)
{
    build(state);
    assert_true(is_mapped((u64)tables[3], 4, HERE + 0x7fff));
    assert_false(is_mapped((u64)tables[3], 4, HERE + 0x8000));
    assert_false(is_mapped((u64)tables[3], 4, HERE + (1ULL << 21) + 0x7000));
    assert_false(is_mapped((u64)tables[3], 4, 0));
    assert_true(is_mapped((u64)tables[4] | 0x18, 5, HERE + (4ULL << 48) + 0x7000));
    assert_false(is_mapped((u64)tables[4], 5, HERE + 0x7000));
}

static void large_pages(void **state)
{
    build(state);
    tables[1][9] = 0xfee00000 | 0x83;
    tables[2][9] = 0xc0000000 | 0x83;
    assert_true(is_mapped((u64)tables[3], 4, (3ULL << 39) + (2ULL << 30) + (9ULL << 21)));
    assert_true(is_mapped((u64)tables[3], 4, (3ULL << 39) + (9ULL << 30)));
    tables[1][9] = 0x82;
    assert_false(is_mapped((u64)tables[3], 4, (3ULL << 39) + (2ULL << 30) + (9ULL << 21)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_pages),
        cmocka_unit_test(large_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
