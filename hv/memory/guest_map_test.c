/* The firmware's guest's map: what is hidden, and the local APIC's page by the mode that the core's
 * APIC is in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "x86/page_map.c"
#include "memory/guest_map.c"

#define POOL_PAGES 256
#define RW         (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED | PTE_DIRTY)
#define APIC       0xfee00000ULL

struct hv hv;
static struct guest guest;
static struct cpu cpu;
static struct boot_info *info;
static void *pages;

bool host_map_build(void)
{
    return true;
}

void memory_types_prepare(void)
{
}

bool memory_types_uniform(u64 start, u64 size)
{
    (void)start;
    (void)size;
    return true;
}

static int set_up(void **state)
{
    static struct boot_guest boot;

    (void)state;
    info = calloc(1, sizeof(*info));
    info->guest_count = 1;
    info->region = (struct boot_range){MIB(64), MIB(1)};
    info->kept = (struct boot_range){MIB(128), 2 * PAGE_SIZE};
    info->trampoline = 0x8000;
    pages = aligned_alloc(PAGE_SIZE, POOL_PAGES * PAGE_SIZE);
    hv = (struct hv){.info = info,
                     .guests = &guest,
                     .apic_base = APIC,
                     .map_top = GIB(4),
                     .phys_limit = BIT(46),
                     .police_icr = true,
                     .pool = {(u64)pages, (u64)pages + POOL_PAGES * PAGE_SIZE}};
    guest = (struct guest){
        .boot = &boot, .map = {.levels = 4, .gib_pages = true, .table_bits = RW, .leaf_bits = RW}};
    cpu = (struct cpu){.guest = &guest};
    assert_int_equal(memory_prepare(), HV_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(pages);
    free(info);
    return 0;
}

/* What the core's guest has there. */
static u64 leaf(u64 apic_base, u64 address)
{
    struct page_map map = guest.map;

    cpu.apic_base = apic_base;
    map.root = memory_root(&cpu);
    return page_map_lookup(&map, address);
}

static const u64 modes[] = {APIC, APIC | APIC_BASE_BSP, APIC | APIC_BASE_EN,
                            APIC | APIC_BASE_EN | APIC_BASE_EXTD};

static void the_page_is_the_apics_in_xapic_mode_only(void **state)
{
    (void)state;
    assert_int_equal(leaf(APIC | APIC_BASE_EN | APIC_BASE_BSP, APIC), APIC | (RW & ~PTE_WRITE));
    for (u32 i = 0; i < COUNT(modes); i++) {
        u64 expected = i == 2 ? APIC | (RW & ~PTE_WRITE) : guest.ones[0];

        assert_int_equal(leaf(modes[i], APIC), expected);
        assert_int_equal(leaf(modes[i], APIC + PAGE_SIZE), (APIC + PAGE_SIZE) | RW);
    }
    assert_true(guest.ones[0] & PTE_WRITE); /* a store must not exit: there is nobody to end it */
    assert_int_equal(*(u64 *)(guest.ones[0] & PTE_ADDRESS), ~0ULL);
}

static void what_is_touched_first_is_there_in_every_mode(void **state)
{
    (void)state;
    assert_int_equal(memory_first_touch(&guest, GIB(600)), TOUCH_MAPPED);
    assert_int_equal(memory_first_touch(&guest, MIB(64)), TOUCH_HIDDEN);
    assert_int_equal(memory_first_touch(&guest, 0x8000), TOUCH_MAPPED);
    assert_int_equal(memory_first_touch(&guest, MIB(128)), TOUCH_MAPPED);
    for (u32 i = 0; i < COUNT(modes); i++) {
        assert_int_equal(leaf(modes[i], GIB(600)), GIB(600) | RW | PTE_LARGE);
        assert_int_equal(leaf(modes[i], MIB(64)), guest.ones[0]);
        assert_int_equal(leaf(modes[i], 0x8000), guest.ones[0]);
        assert_int_equal(leaf(modes[i], MIB(64) + PAGE_SIZE), 0);
        assert_int_equal(leaf(modes[i], MIB(128)), guest.ones[0]);
        assert_int_equal(leaf(modes[i], MIB(128) + PAGE_SIZE), 0);
        assert_int_equal(leaf(modes[i], MIB(128) - 1), MIB(126) | RW | PTE_LARGE);
        assert_int_equal(leaf(modes[i], MIB(128) + 2 * PAGE_SIZE), (MIB(128) + 2 * PAGE_SIZE) | RW);
    }
    assert_int_equal(memory_first_touch(&guest, BIT(46)), TOUCH_BEYOND);
}

/* Whatever touches it later finds a page there, in each mode. */
static void hidden_memory_can_be_shown_at_once(void **state)
{
    static const u64 hidden[] = {MIB(64), MIB(64) + PAGE_SIZE, 0x8000, MIB(128),
                                 MIB(128) + PAGE_SIZE};

    (void)state;
    memory_show_hidden(&guest);
    for (u32 i = 0; i < COUNT(modes); i++) {
        for (u32 j = 0; j < COUNT(hidden); j++)
            assert_int_equal(leaf(modes[i], hidden[j]), guest.ones[0]);
        assert_int_equal(leaf(modes[i], MIB(128) - 1), MIB(126) | RW | PTE_LARGE);
        assert_int_equal(leaf(modes[i], MIB(128) + 2 * PAGE_SIZE), (MIB(128) + 2 * PAGE_SIZE) | RW);
    }
    assert_int_equal(memory_first_touch(&guest, MIB(64)), TOUCH_MAPPED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_page_is_the_apics_in_xapic_mode_only),
        TEST(what_is_touched_first_is_there_in_every_mode),
        TEST(hidden_memory_can_be_shown_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
