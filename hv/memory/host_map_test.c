/* Which of the host's maps reaches what: no memory of partitions from the firmware guest's cores,
 * and nobody's from a partition's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "memory/host_map.c"
#include "memory/guest_read.c"
#include "x86/page_map.c"

#define CORES      3
#define TOP        GIB(4)
#define REGION     MIB(64)
#define TRAMPOLINE 0x8f000
#define KEPT       MIB(96)
#define BAR        (GIB(5) + 0x8018)
#define SCREEN     (GIB(6) + 0x800) /* above all else */
#define APIC       0xfee00000ULL

struct hv hv;
char image_start[1], text_end[1], rodata_end[1], image_end[1];

static struct guest guests[3];
static struct boot_guest boots[3];
static void *pool;
static bool gib_pages;

bool memory_types_uniform(u64 start, u64 size)
{
    return start || size < MIB(2); /* the first 2 MiB are of many types */
}

bool in_range(u64 address, u64 base, u64 size)
{
    return address >= base && address - base < size;
}

bool is_hidden(u64 gpa)
{
    return in_range(gpa, REGION, MIB(4)) || in_range(gpa, KEPT, 0x3000);
}

bool is_partitions(u64 gpa)
{
    (void)gpa;
    return false;
}

u32 guest_read(const struct guest_memory *memory, const struct guest_paging *paging, u64 linear,
               void *buffer, u32 size)
{
    (void)memory;
    (void)paging;
    (void)linear;
    (void)buffer;
    return size;
}

static int set_up(void **state)
{
    (void)state;
    pool = aligned_alloc(PAGE_SIZE, MIB(4));
    hv = (struct hv){.host_levels = 4,
                     .host_gib_pages = gib_pages,
                     .pool = {(u64)pool, (u64)pool + MIB(4)},
                     .guests = guests,
                     .apic_base = APIC,
                     .map_top = TOP,
                     .cpu_blocks = REGION + MIB(1)};
    hv.info = calloc(1, sizeof(*hv.info) + CORES * sizeof(struct boot_cpu));
    hv.info->region = (struct boot_range){REGION, MIB(4)};
    hv.info->kept = (struct boot_range){KEPT, 0x3000};
    hv.info->screen = (struct boot_screen){.base = SCREEN, .size = MIB(8), .bar = BAR};
    hv.info->trampoline = TRAMPOLINE;
    hv.info->cpu_count = CORES;
    hv.info->guest_count = 3;
    boots[1] = (struct boot_guest){.memory = {MIB(512), MIB(62)}, .pristine = {0x7003000, 0x5000}};
    boots[2] = (struct boot_guest){.memory = {GIB(1), GIB(1)}, .pristine = {MIB(100), MIB(2)}};
    for (u32 i = 0; i < 3; i++)
        guests[i] = (struct guest){.boot = &boots[i], .index = i};
    assert_true(host_map_build());
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(pool);
    free(hv.info);
    return 0;
}

static u64 entry_in(u64 root, u64 address)
{
    const struct page_map map = {.root = (u64 *)root, .levels = hv.host_levels};

    return page_map_lookup(&map, address);
}

static bool of_partitions(u64 address)
{
    for (u32 i = 1; i < 3; i++)
        if (in_range(address, boots[i].memory.base, boots[i].memory.size) ||
            in_range(address, boots[i].pristine.base, boots[i].pristine.size))
            return true;
    return false;
}

static bool is_guard(u64 address)
{
    for (u32 i = 0; i < CORES; i++)
        if (address == hv.cpu_blocks + i * CPU_BLOCK_SIZE)
            return true;
    return false;
}

static bool is_cedes(u64 address)
{
    return is_hidden(address) || address == TRAMPOLINE || address == APIC;
}

static void expect(u64 root, u64 page, bool there)
{
    if (!!entry_in(root, page) != there)
        fail_msg("%lx: %lx", page, entry_in(root, page));
}

/* Pages around every border, and one of each 2 MiB. */
static void check_pages(u64 root, bool (*there)(u64 page))
{
    for (u64 page = 0; page < TOP; page += page < MIB(130) ? PAGE_SIZE : MIB(2)) {
        expect(root, page, there(page));
        if (page >= MIB(2))
            expect(root, page - PAGE_SIZE, there(page - PAGE_SIZE));
    }
    expect(root, APIC, there(APIC));
}

static bool in_full(u64 page)
{
    return !is_guard(page);
}

static bool in_firmwares(u64 page)
{
    return !is_guard(page) && !of_partitions(page);
}

static bool in_lean(u64 page)
{
    return !is_guard(page) && is_cedes(page);
}

static void each_map_has_its_own(void **state)
{
    (void)state;
    check_pages(hv.full_cr3, in_full);
    check_pages(hv.host_cr3, in_firmwares);
    check_pages(hv.lean_cr3, in_lean);
    assert_int_equal(guest_host_cr3(&guests[0]), hv.host_cr3);
    assert_int_equal(guest_host_cr3(&guests[1]), hv.lean_cr3);
    assert_int_equal(guest_host_cr3(&guests[2]), hv.lean_cr3);
}

/* A partition has no business there. */
static void the_screen_is_the_firmwares_guests(void **state)
{
    (void)state;
    for (u64 page = GIB(6); page < GIB(6) + MIB(8) + PAGE_SIZE; page += PAGE_SIZE) {
        assert_int_equal(entry_in(hv.host_cr3, page) & ~PTE_LARGE & ~MASK(20, 12),
                         ALIGN_DOWN(page, MIB(2)) | HOST_UC);
        assert_true(entry_in(hv.full_cr3, page));
        assert_int_equal(entry_in(hv.lean_cr3, page), 0);
    }
    assert_int_equal(entry_in(hv.host_cr3, BAR), ALIGN_DOWN(BAR, PAGE_SIZE) | HOST_UC);
    assert_int_equal(entry_in(hv.lean_cr3, BAR), 0);
    assert_int_equal(entry_in(hv.host_cr3, GIB(6) - 1), 0);
    assert_int_equal(entry_in(hv.host_cr3, GIB(6) + MIB(8) + PAGE_SIZE), 0);
}

static void nothing_is_both_written_and_executed(void **state)
{
    const u64 roots[] = {hv.full_cr3, hv.host_cr3, hv.lean_cr3};

    (void)state;
    for (u32 i = 0; i < COUNT(roots); i++)
        for (u64 page = 0; page < TOP; page += page < MIB(130) ? PAGE_SIZE : MIB(2)) {
            u64 entry = entry_in(roots[i], page);

            assert_true(!entry || (entry & PTE_NX) || !(entry & PTE_WRITE));
        }
}

static void one_guest_has_one_map(void **state)
{
    (void)state;
    hv.info->guest_count = 1;
    assert_true(host_map_build());
    assert_true(hv.full_cr3 == hv.host_cr3 && hv.full_cr3 == hv.lean_cr3);
    check_pages(hv.host_cr3, in_full);
}

/* As the loader reckons: what is left over is for the guests' own maps. */
static void there_is_room_for_all(void **state)
{
    u64 used = (hv.pool.next - (u64)pool) / PAGE_SIZE;
    u64 kept = 3 * hv_map_pages(TOP, gib_pages, MIB(4)) + 2 * 8;

    (void)state;
    assert_true(used <= kept);
    hv.pool.end = hv.pool.next; /* and where there is none, it is said */
    assert_false(host_map_build());
}

/* A partition's memory is read through the map that has it, and the core goes back to its own. */
static void a_partition_is_read_with_everything_mapped(void **state)
{
    u8 buffer[8];

    (void)state;
    fake_cr3 = hv.lean_cr3;
    assert_false(memory_read(&guests[1], 0x1000, buffer, 8)); /* the fake machine's faults */
    assert_int_equal(fake_cr3, hv.lean_cr3);
    assert_int_equal(fake_read_cr3, hv.full_cr3);
    fake_read_cr3 = 0;
    assert_false(memory_read(&guests[1], MIB(62), buffer, 8)); /* not its own */
    assert_false(memory_read(&guests[1], MIB(62) - 7, buffer, 8));
    assert_int_equal(fake_read_cr3, 0);
    fake_cr3 = hv.host_cr3;
    assert_false(memory_read(&guests[0], 0x1000, buffer, 8));
    assert_int_equal(fake_read_cr3, hv.host_cr3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_map_has_its_own),
        TEST(nothing_is_both_written_and_executed),
        TEST(the_screen_is_the_firmwares_guests),
        TEST(one_guest_has_one_map),
        TEST(there_is_room_for_all),
        TEST(a_partition_is_read_with_everything_mapped),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    gib_pages = true;
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
