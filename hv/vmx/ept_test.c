/* The format of extended page tables, and what flushes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "fake/fake_vmx.h"
#include "vmx/ept.c"

struct hv hv;
struct vmx vmx;

u8 memory_type_at(u64 gpa)
{
    return gpa == GIB(3) ? 5 : gpa == GIB(4) ? 4 : 0; /* write-protected, write-through */
}

u64 *memory_root(const struct cpu *self)
{
    return (u64 *)(0x4000 + self->apic_base);
}

static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    memset(fake_vmcs, 0, sizeof(fake_vmcs));
    memset(&fake_invept, 0, sizeof(fake_invept));
    memset(&fake_invvpid, 0, sizeof(fake_invvpid));
    vmx = (struct vmx){0};
    return 0;
}

static struct page_map shape(u32 host_levels, u64 cap, u64 phys_limit)
{
    struct page_map map;

    memset(&map, 0x55, sizeof(map));
    fake.msrs = 0;
    fake_msr(0x48c, cap, 0);
    hv = (struct hv){.host_levels = host_levels, .phys_limit = phys_limit};
    vmx_shape_map(&map);
    return map;
}

/* Appendix A.10: bit 7 is a walk of five levels, bit 17 pages of 1 GiB. A core walks as many as it
 * has levels of its own: more cannot be reached. */
static void levels_are_those_that_both_walk(void **state)
{
    static const struct {
        u32 host, levels;
        u64 cap, limit, limit_after;
    } rows[] = {
        {4, 4, 0x40, BIT(46), BIT(46)},     {4, 4, 0xc0, BIT(52), BIT(48)},
        {5, 4, ~0x80ULL, BIT(52), BIT(48)}, {5, 5, 0xc0, BIT(52), BIT(52)},
        {5, 5, 0x80, BIT(57), BIT(57)},     {5, 4, 0x40, BIT(48), BIT(48)},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(rows); i++) {
        struct page_map map = shape(rows[i].host, rows[i].cap, rows[i].limit);

        assert_int_equal(map.levels, rows[i].levels);
        assert_int_equal(hv.phys_limit, rows[i].limit_after);
    }
}

static void large_pages_are_used_where_they_are(void **state)
{
    (void)state;
    assert_true(shape(4, BIT(17), BIT(40)).gib_pages);
    assert_false(shape(4, ~BIT(17), BIT(40)).gib_pages);
}

/* Tables 29-1 to 29-7: bits 2:0 permissions; the memory type of a page is in bits 5:3, and bit 6,
 * "ignore PAT", is clear. */
static void entries_have_the_format_of_epts(void **state)
{
    struct page_map map = shape(4, 0, BIT(40));

    (void)state;
    assert_int_equal(map.table_bits, 7);
    assert_int_equal(map.leaf_bits, 7);
    assert_int_equal(map.write_back, 6 << 3);
    assert_int_equal(map.type(GIB(3)), 5 << 3);
    assert_int_equal(map.type(GIB(4)), 4 << 3);
    assert_int_equal(map.type(0), 0);
}

/* Table 25-9: type 6 in bits 2:0, levels less one in bits 5:3, no accessed and dirty flags. */
static void the_pointer_says_how_to_walk(void **state)
{
    static struct guest guest;
    static struct cpu cpu = {.guest = &guest, .apic_base = 0x5000};

    (void)state;
    guest.map.levels = 4;
    assert_int_equal(vmx_ept_pointer(&guest.map, (u64 *)0x123000), 0x12301e);
    vmx_map_changed(&cpu);
    assert_int_equal(fake_vmcs[0x201a], 0x901e);
    guest.map.levels = 5;
    assert_int_equal(vmx_ept_pointer(&guest.map, (u64 *)0x123000), 0x123026);
}

/* Type 2 takes all contexts; all of the descriptor is reserved there. */
static void a_flush_is_of_all_contexts(void **state)
{
    (void)state;
    vmx_flush_ept();
    assert_int_equal(fake_invept.count, 1);
    assert_int_equal(fake_invept.type, 2);
    assert_int_equal(fake_invept.what.first | fake_invept.what.second, 0);
    assert_int_equal(fake_invvpid.count, 0);
    vmx.controls.word[WORD_SECONDARY] = 1 << 5; /* VPIDs in use */
    vmx_flush_vpid();
    assert_int_equal(fake_invvpid.count, 1);
    assert_int_equal(fake_invvpid.type, 2);
    assert_int_equal(fake_invvpid.what.first | fake_invvpid.what.second, 0);
    assert_int_equal(fake_invept.count, 1);
}

/* INVVPID would fault on a processor that has none. */
static void without_vpids_each_entry_flushes(void **state)
{
    (void)state;
    vmx.controls.word[WORD_SECONDARY] = ~(1U << 5);
    vmx_flush_vpid();
    assert_int_equal(fake_invvpid.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(levels_are_those_that_both_walk, set_up),
        cmocka_unit_test_setup(large_pages_are_used_where_they_are, set_up),
        cmocka_unit_test_setup(entries_have_the_format_of_epts, set_up),
        cmocka_unit_test_setup(the_pointer_says_how_to_walk, set_up),
        cmocka_unit_test_setup(a_flush_is_of_all_contexts, set_up),
        cmocka_unit_test_setup(without_vpids_each_entry_flushes, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
