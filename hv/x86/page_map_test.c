/* The identity map: sizes of leaves, splits, holes, memory-type borders, an empty pool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "x86/page_map.c"

#define RW (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED | PTE_DIRTY)

static struct page_pool pool;
static void *memory;

static void take_pool(u64 pages)
{
    memory = aligned_alloc(PAGE_SIZE, pages * PAGE_SIZE);
    pool = (struct page_pool){(u64)(uintptr_t)memory, (u64)(uintptr_t)memory + pages * PAGE_SIZE};
}

static struct page_map new_map(u64 pages, u32 levels, bool gib)
{
    struct page_map map = {.levels = levels, .gib_pages = gib, .table_bits = RW, .pool = &pool};

    take_pool(pages);
    assert_true(page_map_init(&map));
    return map;
}

static void largest_pages_that_fit(void **state)
{
    (void)state;
    struct page_map map = new_map(8, 4, true);

    assert_true(page_map_range(&map, 0, GIB(3) + MIB(4) + KIB(8), RW));
    assert_int_equal(page_map_lookup(&map, GIB(2) + 5), GIB(2) | RW | PTE_LARGE);
    assert_int_equal(page_map_lookup(&map, GIB(3) + MIB(2)), (GIB(3) + MIB(2)) | RW | PTE_LARGE);
    assert_int_equal(page_map_lookup(&map, GIB(3) + MIB(4) + KIB(4)),
                     (GIB(3) + MIB(4) + KIB(4)) | RW);
    assert_int_equal(page_map_lookup(&map, GIB(3) + MIB(4) + KIB(8)), 0);
    free(memory);
}

static void without_gib_pages(void **state)
{
    (void)state;
    struct page_map map = new_map(8, 4, false);

    assert_true(page_map_range(&map, 0, GIB(2), RW));
    assert_int_equal(page_map_lookup(&map, GIB(1) + 5), GIB(1) | RW | PTE_LARGE);
    assert_int_equal(page_map_lookup(&map, GIB(1) + MIB(2)), (GIB(1) + MIB(2)) | RW | PTE_LARGE);
    free(memory);
}

static void a_hole_splits_and_neighbours_stay(void **state)
{
    (void)state;
    struct page_map map = new_map(8, 5, true);

    assert_true(page_map_range(&map, 0, GIB(4), RW));
    assert_true(page_map_range(&map, GIB(1) + KIB(4), GIB(1) + KIB(12), 0));
    assert_int_equal(page_map_lookup(&map, GIB(1)), GIB(1) | RW);
    assert_int_equal(page_map_lookup(&map, GIB(1) + KIB(4)), 0);
    assert_int_equal(page_map_lookup(&map, GIB(1) + KIB(8)), 0);
    assert_int_equal(page_map_lookup(&map, GIB(1) + KIB(12)), (GIB(1) + KIB(12)) | RW);
    assert_int_equal(page_map_lookup(&map, GIB(1) + MIB(2)), (GIB(1) + MIB(2)) | RW | PTE_LARGE);
    assert_int_equal(page_map_lookup(&map, GIB(3)), GIB(3) | RW | PTE_LARGE);
    free(memory);
}

static void every_page_maps_to_itself(void **state)
{
    (void)state;
    struct page_map map = new_map(16, 4, true);

    assert_true(page_map_range(&map, 0, GIB(2), RW));
    assert_non_null(page_map_entry(&map, MIB(300)));
    for (u64 a = 0; a < GIB(2); a += KIB(4)) {
        u64 leaf = page_map_lookup(&map, a);
        u64 size = !(leaf & PTE_LARGE) ? KIB(4) : a >= GIB(1) ? GIB(1) : MIB(2);

        assert_int_equal(leaf & PTE_ADDRESS, ALIGN_DOWN(a, size));
    }
    free(memory);
}

static void entry_is_the_small_page(void **state)
{
    (void)state;
    struct page_map map = new_map(8, 4, true);

    assert_true(page_map_range(&map, 0, GIB(4), RW));
    u64 *entry = page_map_entry(&map, 0xfee00000);

    assert_int_equal(*entry, 0xfee00000 | RW);
    *entry &= ~PTE_WRITE;
    assert_int_equal(page_map_lookup(&map, 0xfee00123), (0xfee00000 | RW) & ~PTE_WRITE);
    assert_ptr_equal(page_map_entry(&map, 0xfee00fff), entry);
    free(memory);
}

static bool border_at_640k(u64 start, u64 size)
{
    return start >= KIB(640) || start + size <= KIB(640);
}

static void no_page_straddles_a_memory_type(void **state)
{
    (void)state;
    struct page_map map = new_map(8, 4, true);

    map.uniform = border_at_640k;
    assert_true(page_map_range(&map, 0, GIB(2), RW));
    assert_int_equal(page_map_lookup(&map, KIB(4)), KIB(4) | RW);
    assert_int_equal(page_map_lookup(&map, MIB(2)), MIB(2) | RW | PTE_LARGE);
    assert_int_equal(page_map_lookup(&map, GIB(1)), GIB(1) | RW | PTE_LARGE);
    free(memory);
}

static void an_empty_pool_is_an_error(void **state)
{
    (void)state;
    struct page_map map = new_map(2, 4, true);

    assert_true(page_map_range(&map, 0, GIB(1), RW));
    assert_false(page_map_range(&map, 0, KIB(4), 0));
    assert_null(page_map_entry(&map, 0));
    free(memory);
}

/* Below `border` one type, above it another, as EPT entries have it. */
static u64 border;

static u64 type_at(u64 start)
{
    return start < border ? 6 << 3 : 1 << 3;
}

static bool one_side(u64 start, u64 size)
{
    return start + size <= border || start >= border;
}

static void types_are_the_leaves(void **state)
{
    (void)state;
    struct page_map map = new_map(8, 4, true);

    map.type = type_at;
    map.uniform = one_side;
    border = GIB(1);
    assert_true(page_map_range(&map, 0, GIB(3), 7));
    assert_int_equal(page_map_lookup(&map, MIB(5)), 7 | 6 << 3 | PTE_LARGE);
    assert_int_equal(page_map_lookup(&map, GIB(2)), GIB(2) | 7 | 1 << 3 | PTE_LARGE);
    assert_true(page_map_range(&map, GIB(2), GIB(2) + KIB(4), 0));

    border = GIB(1) + MIB(4); /* splits the second page */
    assert_true(page_map_retype(&map, MASK(5, 3)));
    assert_int_equal(page_map_lookup(&map, MIB(5)), 7 | 6 << 3 | PTE_LARGE);
    assert_int_equal(page_map_lookup(&map, GIB(1) + MIB(2)),
                     (GIB(1) + MIB(2)) | 7 | 6 << 3 | PTE_LARGE);
    assert_int_equal(page_map_lookup(&map, GIB(1) + MIB(4)),
                     (GIB(1) + MIB(4)) | 7 | 1 << 3 | PTE_LARGE);
    assert_int_equal(page_map_lookup(&map, GIB(2)), 0);
    assert_int_equal(page_map_lookup(&map, GIB(2) + KIB(4)), (GIB(2) + KIB(4)) | 7 | 1 << 3);
    free(memory);
}

static void without_pages_a_type_stays(void **state)
{
    (void)state;
    struct page_map map = new_map(2, 3, true); /* a root of 1 GiB pages, and one page more */

    map.type = type_at;
    border = GIB(1);
    assert_true(page_map_range(&map, 0, GIB(2), 7));
    map.uniform = one_side;
    pool.next = pool.end;
    border = MIB(2);
    assert_false(page_map_retype(&map, MASK(5, 3)));
    assert_int_equal(page_map_lookup(&map, 0), 7 | 6 << 3 | PTE_LARGE);
    assert_int_equal(page_map_lookup(&map, GIB(1)), GIB(1) | 7 | 1 << 3 | PTE_LARGE);
    free(memory);
}

/* A partition's memory, and ones behind it up to the end of what can be addressed. */
static void memory_elsewhere_and_ones(void **state)
{
    u64 ones[MAP_LEVELS] = {0x5000 | RW};

    (void)state;
    struct page_map map = new_map(32, 4, true);

    for (u32 level = 1; level < MAP_LEVELS; level++) {
        u64 *table = page_alloc(&pool);

        for (u32 i = 0; i < 512; i++)
            table[i] = ones[level - 1];
        ones[level] = (u64)(uintptr_t)table | RW;
    }
    map.shift = GIB(7) + MIB(2);
    assert_true(page_map_range(&map, 0, GIB(1) + MIB(4), RW));
    map.shift = 0;
    map.ones = ones;
    assert_true(page_map_range(&map, GIB(1) + MIB(4), BIT(48), 0));
    map.ones = NULL;
    assert_int_equal(page_map_lookup(&map, 0), (GIB(7) + MIB(2)) | RW | PTE_LARGE);
    assert_int_equal(page_map_lookup(&map, GIB(1) + MIB(3)), (GIB(8) + MIB(4)) | RW | PTE_LARGE);
    for (u64 at = GIB(1) + MIB(4); at < BIT(48); at += at / 3 & ~0xfffULL)
        assert_int_equal(page_map_lookup(&map, at), 0x5000 | RW);
    assert_int_equal(page_map_lookup(&map, BIT(48) - 1), 0x5000 | RW);
    assert_true(page_map_reaches(&map, 0x5000, 0x5001));
    assert_true(page_map_reaches(&map, GIB(7) + MIB(2), GIB(7) + MIB(2) + 1));
    assert_true(page_map_reaches(&map, GIB(8) + MIB(6) - 1, GIB(20)));
    assert_false(page_map_reaches(&map, GIB(8) + MIB(6), GIB(20)));
    assert_false(page_map_reaches(&map, 0x6000, GIB(7) + MIB(2)));
    assert_false(page_map_reaches(&map, 0, 0x5000));
    free(memory);
}

/* Out of the identity: only what is hidden shows ones. */
static void ones_in_the_middle(void **state)
{
    u64 ones[MAP_LEVELS] = {0x5000 | RW};

    (void)state;
    struct page_map map = new_map(16, 4, true);

    for (u32 level = 1; level < MAP_LEVELS; level++) {
        u64 *table = page_alloc(&pool);

        for (u32 i = 0; i < 512; i++)
            table[i] = ones[level - 1];
        ones[level] = (u64)(uintptr_t)table | RW;
    }
    assert_true(page_map_range(&map, 0, GIB(6), RW));
    assert_true(page_map_reaches(&map, GIB(2), GIB(4)));
    map.ones = ones;
    assert_true(page_map_range(&map, GIB(2) - MIB(2), GIB(4) + KIB(8), 0));
    map.ones = NULL;
    assert_false(page_map_reaches(&map, GIB(2) - MIB(2), GIB(4) + KIB(8)));
    assert_int_equal(page_map_lookup(&map, GIB(2) - MIB(2) - 1),
                     (GIB(2) - MIB(4)) | RW | PTE_LARGE);
    assert_int_equal(page_map_lookup(&map, GIB(3)), 0x5000 | RW);
    assert_int_equal(page_map_lookup(&map, GIB(4) + KIB(8)), (GIB(4) + KIB(8)) | RW);
    free(memory);
}

/* Wherever it is asked, but at that page, it says what the map says; so too after changes. */
static void expect_twin(const struct page_map *map, u64 *root, u64 address, u64 leaf)
{
    struct page_map twin = *map;

    twin.root = root;
    for (u64 at = 0; at < GIB(6); at += MIB(2))
        if (ALIGN_DOWN(address, MIB(2)) != at)
            assert_int_equal(page_map_lookup(&twin, at), page_map_lookup(map, at));
    assert_int_equal(page_map_lookup(&twin, address - 1), page_map_lookup(map, address - 1));
    assert_int_equal(page_map_lookup(&twin, address), leaf);
    assert_int_equal(page_map_lookup(&twin, address + KIB(4)),
                     page_map_lookup(map, address + KIB(4)));
}

static void a_twin_differs_in_one_page(void **state)
{
    const u64 address = 0xfee00000, leaf = 0x5000 | RW;

    (void)state;
    for (u32 levels = 4; levels <= 5; levels++) {
        struct page_map map = new_map(32, levels, true);
        u64 *twin = pages_alloc(&pool, levels);

        assert_true(page_map_range(&map, 0, GIB(4), RW));
        assert_true(page_map_range(&map, address, address + KIB(4), RW & ~PTE_WRITE));
        page_map_twin(&map, twin, address, leaf);
        expect_twin(&map, twin, address, leaf);
        assert_int_equal(page_map_lookup(&map, address), address | (RW & ~PTE_WRITE));

        assert_true(page_map_range(&map, GIB(5), GIB(6), RW));         /* a first touch */
        assert_true(page_map_range(&map, GIB(1), GIB(1) + KIB(8), 0)); /* splits above ... */
        assert_true(page_map_range(&map, 0xfee02000, 0xfee03000, 0));  /* ... and beside it */
        page_map_twin(&map, twin, address, leaf);
        expect_twin(&map, twin, address, leaf);
        free(memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(largest_pages_that_fit),
        cmocka_unit_test(without_gib_pages),
        cmocka_unit_test(a_hole_splits_and_neighbours_stay),
        cmocka_unit_test(every_page_maps_to_itself),
        cmocka_unit_test(entry_is_the_small_page),
        cmocka_unit_test(no_page_straddles_a_memory_type),
        cmocka_unit_test(an_empty_pool_is_an_error),
        cmocka_unit_test(types_are_the_leaves),
        cmocka_unit_test(without_pages_a_type_stays),
        cmocka_unit_test(memory_elsewhere_and_ones),
        cmocka_unit_test(ones_in_the_middle),
        cmocka_unit_test(a_twin_differs_in_one_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
