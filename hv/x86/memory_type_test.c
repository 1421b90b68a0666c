#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "x86/memory_type.c"

#define MAXPHY MASK(47, 0)

/* What a server looks like: WB by default, the hole below 4 GiB uncacheable, TOM2 at 66 GiB. */
static const struct memory_types server = {
    .enabled = true,
    .fixed = true,
    .count = 2,
    .base = {GIB(3), 0xff000000},
    .mask = {MAXPHY & ~(GIB(1) - 1), MAXPHY & ~(MIB(16) - 1)},
    .top_of_memory2 = GIB(66) + MIB(512),
    .physical_mask = MAXPHY,
};

static void borders(void **state)
{
    (void)state;
    assert_false(memory_type_uniform(&server, 0, MIB(2)));
    assert_true(memory_type_uniform(&server, MIB(2), MIB(2)));
    assert_false(memory_type_uniform(&server, 0, GIB(1)));
    assert_true(memory_type_uniform(&server, GIB(1), GIB(1)));
    assert_false(memory_type_uniform(&server, GIB(2), GIB(2)));
    assert_false(memory_type_uniform(&server, GIB(3), GIB(1)));
    assert_true(memory_type_uniform(&server, GIB(3), MIB(2)));
    assert_true(memory_type_uniform(&server, 0xff000000, MIB(16)));
    assert_false(memory_type_uniform(&server, GIB(66), GIB(1)));
    assert_true(memory_type_uniform(&server, GIB(65), GIB(1)));
    assert_true(memory_type_uniform(&server, GIB(67), GIB(1)));
}

static void disabled_is_uniform(void **state)
{
    (void)state;
    struct memory_types off = server;

    off.enabled = false;
    assert_true(memory_type_uniform(&off, 0, GIB(512)));
}

static void a_mask_with_a_hole_is_never_trusted(void **state)
{
    (void)state;
    struct memory_types odd = {.enabled = true,
                               .count = 1,
                               .base = {0},
                               .mask = {MAXPHY & ~0x5000000ULL},
                               .physical_mask = MAXPHY};

    assert_false(memory_type_uniform(&odd, GIB(1), MIB(2)));
}

static void types(void **state)
{
    (void)state;
    struct memory_types t = server;

    t.default_type = TYPE_WB;
    t.type[0] = TYPE_UC;
    t.type[1] = TYPE_WP;
    t.fixed_types[0] = 0x0606060606060600ULL;
    t.fixed_types[1] = 0x0505050505050505ULL; /* 0x80000-0x9ffff */
    t.fixed_types[4] = 0x0000000001000000ULL; /* 0xc8000-0xcffff: 0xcb000 is WC */
    assert_int_equal(memory_type_of(&t, 0xfff), TYPE_UC);
    assert_int_equal(memory_type_of(&t, 0x10000), TYPE_WB);
    assert_int_equal(memory_type_of(&t, 0x9ffff), TYPE_WP);
    assert_int_equal(memory_type_of(&t, 0xcb123), TYPE_WC);
    assert_int_equal(memory_type_of(&t, MIB(1)), TYPE_WB);
    assert_int_equal(memory_type_of(&t, GIB(3) + 5), TYPE_UC);
    assert_int_equal(memory_type_of(&t, 0xff000000), TYPE_UC); /* WP and UC overlap */
    assert_int_equal(memory_type_of(&t, GIB(4)), TYPE_WB);
    t.type[0] = TYPE_WB;
    t.type[1] = TYPE_WT;
    assert_int_equal(memory_type_of(&t, 0xff000000), TYPE_WT);
    t.type[1] = TYPE_WC; /* undefined with WB: nothing is cached */
    assert_int_equal(memory_type_of(&t, 0xff000000), TYPE_UC);
    t.fixed = false;
    assert_int_equal(memory_type_of(&t, 0xcb123), TYPE_WB);
    t.enabled = false;
    assert_int_equal(memory_type_of(&t, 0x10000), TYPE_UC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(borders),
        cmocka_unit_test(types),
        cmocka_unit_test(disabled_is_uniform),
        cmocka_unit_test(a_mask_with_a_hole_is_never_trusted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
