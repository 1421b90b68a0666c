/* Walks the tables as a processor would, in every shape. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot_info.h"
#include "machine/tables.c"

#define BASE    0x7f000000ULL
#define NOWHERE (~0ULL)

static u64 *memory;
static u64 size;

static const u64 *table_at(u64 address)
{
    assert_true(address >= BASE && address + PAGE_SIZE <= BASE + size);
    return memory + (address - BASE) / sizeof *memory;
}

static u64 walk(u64 root, unsigned level, u64 address)
{
    unsigned shift = 12 + 9 * (level - 1);
    u64 entry = table_at(root)[address >> shift & 511];

    if (!(entry & 1))
        return NOWHERE;
    assert_true(entry & 2);
    assert_false(entry & BIT(63)); /* NX */
    if (level <= 3 && (entry & 0x80)) {
        assert_int_equal(entry & MASK(51, 13) & (BIT(shift) - 1), 0);
        return (entry & MASK(51, 13)) + (address & (BIT(shift) - 1));
    }
    assert_true(level > 2);
    return walk(entry & MASK(51, 12), level - 1, address);
}

static void check(u64 top, bool gib_pages, bool five_levels)
{
    struct tables_shape shape = {top, gib_pages, five_levels};
    unsigned levels = five_levels ? 5 : 4;

    size = tables_size(&shape);
    memory = calloc(1, size);
    u64 root = tables_fill(&shape, memory, BASE);
    for (u64 address = 0; address < top; address += MIB(512) + 0x201000)
        assert_int_equal(walk(root, levels, address), address);
    assert_int_equal(walk(root, levels, top - 1), top - 1);
    assert_int_equal(walk(root, levels, ALIGN_UP(top, GIB(1))), NOWHERE);
    free(memory);
}

static void shapes(void **state)
{
    static const u64 tops[] = {GIB(4), GIB(5), GIB(511) + MIB(3), GIB(512), GIB(513), GIB(1200)};

    (void)state;
    for (unsigned i = 0; i < COUNT(tops); i++)
        for (unsigned shape = 0; shape < 4; shape++)
            check(tops[i], shape & 1, shape & 2);
}

/* Beyond what four levels reach. */
static void huge(void **state)
{
    struct tables_shape shape = {BIT(48) + GIB(1), true, true};

    (void)state;
    size = tables_size(&shape);
    assert_int_equal(size / PAGE_SIZE, 513 + 2 + 1);
    memory = calloc(1, size);
    u64 root = tables_fill(&shape, memory, BASE);
    assert_int_equal(walk(root, 5, BIT(48) + 5), BIT(48) + 5);
    assert_int_equal(walk(root, 5, BIT(48) - 1), BIT(48) - 1);
    assert_int_equal(walk(root, 5, BIT(48) + GIB(1)), NOWHERE);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(shapes), cmocka_unit_test(huge)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
