/* Which ranges a processor may not be told to write to: each kept range by its edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "memory/kept.c"

struct hv hv;

static struct boot_guest boot[3] = {
    {.memory = {0x10000000, 0x1000000}}, /* the firmware's own: nobody else's */
    {.memory = {0x40000000, 0x200000}, .pristine = {0x80000000, 0x5000}},
    {.memory = {0x60000000, 0x400000}, .pristine = {0x90000000, 0x1000}},
};
static struct guest guests[3] = {{.boot = &boot[0]}, {.boot = &boot[1]}, {.boot = &boot[2]}};
static struct boot_info info = {.region = {0x7000000, 0x300000},
                                .kept = {0x4000000, 0x5000},
                                .trampoline = 0x9000,
                                .guest_count = 3};

static int prepare(void **state)
{
    (void)state;
    hv.info = &info;
    hv.guests = guests;
    return 0;
}

static void edges(void **state)
{
    static const struct {
        u64 base, size;
    } kept[] = {
        {0x7000000, 0x300000}, {0x9000, 0x1000},     {0x40000000, 0x200000}, {0x60000000, 0x400000},
        {0x80000000, 0x5000},  {0x90000000, 0x1000}, {0x4000000, 0x5000},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(kept); i++) {
        u64 end = kept[i].base + kept[i].size;

        assert_false(memory_is_kept(kept[i].base - 0x1000, 0x1000));
        assert_true(memory_is_kept(kept[i].base - 0x1000, 0x1001));
        assert_true(memory_is_kept(kept[i].base, 1));
        assert_true(memory_is_kept(kept[i].base - 0x1000, kept[i].size + 0x2000)); /* around it */
        assert_true(memory_is_kept(end - 1, 0x10000));
        assert_false(memory_is_kept(end, 0x1000));
    }
    assert_false(memory_is_kept(0x10000000, 0x1000000));
}

static void partitions_count_where_there_are_any(void **state)
{
    (void)state;
    info.guest_count = 1;
    assert_false(memory_is_kept(0x40000000, 0x1000));
    assert_true(memory_is_kept(0x7000000, 0x1000));
    info.guest_count = 2;
    assert_true(memory_is_kept(0x40000000, 0x1000));
    assert_false(memory_is_kept(0x60000000, 0x1000));
    info.guest_count = 3;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges),
        cmocka_unit_test(partitions_count_where_there_are_any),
    };

    return cmocka_run_group_tests(tests, prepare, NULL);
}
