#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "x86/guest_mem.c"

/* A sparse physical memory: some pages anywhere in the address space, everything else is refused.
 */
#define PAGES 32

static struct {
    u64 gpa[PAGES];
    u8 data[PAGES][4096];
    u32 used, reads;
} memory;

static u8 *page(u64 gpa)
{
    for (u32 i = 0; i < memory.used; i++)
        if (memory.gpa[i] == ALIGN_DOWN(gpa, 4096))
            return memory.data[i];
    return NULL;
}

static u8 *add_page(u64 gpa, u8 fill)
{
    assert_true(memory.used < PAGES);
    assert_null(page(gpa));
    memory.gpa[memory.used] = gpa;
    memset(memory.data[memory.used], fill, 4096);
    return memory.data[memory.used++];
}

static bool read_page(void *context, u64 gpa, void *buffer, u32 size)
{
    u8 *data = page(gpa);

    assert_ptr_equal(context, &memory);
    assert_in_range(size, 1, 4096 - (gpa & 4095));
    memory.reads++;
    if (!data)
        return false;
    memcpy(buffer, data + (gpa & 4095), size);
    return true;
}

static const struct guest_memory guest = {read_page, &memory, MASK(51, 12)};

static int reset(void **state)
{
    (void)state;
    memory.used = memory.reads = 0;
    return 0;
}

static void set_entry(u64 table, u64 index, u32 size, u64 entry)
{
    u8 *data = page(table);

    memcpy((data ? data : add_page(table, 0)) + index * size, &entry, size);
}

static const struct guest_paging real_mode = {.cr0 = 0x10};
static const struct guest_paging legacy = {.cr0 = CR0_PG | 1, .cr3 = 0x1018};
static const struct guest_paging legacy_pse = {.cr0 = CR0_PG | 1, .cr3 = 0x1018, .cr4 = CR4_PSE};
static const struct guest_paging pae = {.cr0 = CR0_PG | 1, .cr3 = 0x1fe0, .cr4 = CR4_PAE};
static const struct guest_paging long_4 = {
    .cr0 = CR0_PG | 1, .cr3 = 0x1fff, .cr4 = CR4_PAE, .efer = EFER_LMA};
static const struct guest_paging long_5 = {
    .cr0 = CR0_PG | 1, .cr3 = 0x1fff, .cr4 = CR4_PAE | CR4_LA57, .efer = EFER_LMA};

/* One chain of table entries, tables at 0x1000, 0x2000, ..., and where it leads. */
struct chain {
    const struct guest_paging *paging;
    u64 linear, expected;
    struct {
        u64 index, entry;
    } level[5];
};

#define P PTE_P
#define S (PTE_P | PTE_PS)

static const struct chain chains[] = {
    {&legacy, 0xc0403abc, 0x87654abc, {{0x301, 0x2000 | P}, {3, 0x87654000 | P}}},
    {&legacy, 0xc0403abc, 0x87654abc, {{0x301, 0x2000 | S}, {3, 0x87654000 | P}}}, /* no CR4.PSE */
    {&legacy, 0xc0403abc, 0x87654abc, {{0x301, 0x2000 | P}, {3, 0x87654000 | S}}}, /* PAT, not PS */
    {&legacy, 0xffff1234c0403abc, 0x87654abc, {{0x301, 0x2000 | P}, {3, 0x87654000 | P}}},
    {&legacy_pse, 0xc0403abc, 0x87654abc, {{0x301, 0x2000 | P}, {3, 0x87654000 | P}}},
    {&legacy_pse, 0xc0723abc, 0x80323abc, {{0x301, 0x80000000 | S}}},
    {&legacy_pse, 0xc0723abc, 0x9a40323abc, {{0x301, 0x40000000 | 0x9a << 13 | BIT(12) | S}}},
    {&pae,
     0xc0403abc,
     0x987654321abc,
     {{0x1fc + 3, 0x2000 | P}, {2, 0x3000 | P}, {3, 0x987654321000 | P}}},
    {&pae, 0xc0523abc, 0x800123abc, {{0x1fc + 3, 0x2000 | P}, {2, 0x800000000 | BIT(12) | S}}},
    {&pae, 0x40523abc, 0x123abc, {{0x1fc + 1, 0x2000 | S}, {2, S}}}, /* no 1 GiB pages in PAE */
    {&long_4,
     0xffff8000c0403abc,
     0xf0000000e1abc,
     {{256, 0x2000 | P}, {3, 0x3000 | P}, {2, 0x4000 | P}, {3, 0xf0000000e1000 | P | BIT(63)}}},
    {&long_4,
     0xffff8000c0523abc,
     0x800123abc,
     {{256, 0x2000 | P}, {3, 0x3000 | P | MASK(62, 52)}, {2, 0x800000000 | BIT(12) | S}}},
    {&long_4,
     0xffff8000c0523abc,
     0x80000523abc,
     {{256, 0x2000 | S}, {3, 0x80000000000 | BIT(12) | S}}}, /* PML4E bit 7 is no page size */
    {&long_5,
     0xff010080c0403abc,
     0x7abc,
     {{257, 0x2000 | P}, {1, 0x3000 | P}, {3, 0x4000 | P}, {2, 0x5000 | P}, {3, 0x7000 | P}}},
    {&long_5,
     0xff010080c0403abc,
     0xc0000403abc,
     {{257, 0x2000 | S}, {1, 0x3000 | S}, {3, 0xc0000000000 | S}}},
};

#undef P
#undef S

static u32 chain_length(const struct chain *chain)
{
    u32 length = 0;

    while (length < COUNT(chain->level) && chain->level[length].entry)
        length++;
    return length;
}

static void build(const struct chain *chain)
{
    u32 size = chain->paging->efer || (chain->paging->cr4 & CR4_PAE) ? 8 : 4;

    reset(NULL);
    for (u32 i = 0; i < chain_length(chain); i++)
        set_entry(0x1000 * (i + 1), chain->level[i].index, size, chain->level[i].entry);
}

static void every_mode_translates(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(chains); i++) {
        u64 gpa = 0;

        build(&chains[i]);
        print_message("chain %u\n", i);
        assert_true(guest_translate(&guest, chains[i].paging, chains[i].linear, &gpa));
        assert_int_equal(gpa, chains[i].expected);
        assert_int_equal(memory.reads, chain_length(&chains[i]));
    }
}

static void every_level_needs_present(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(chains); i++) {
        for (u32 level = 0; level < chain_length(&chains[i]); level++) {
            struct chain broken = chains[i];
            u64 gpa;

            broken.level[level].entry &= ~PTE_P;
            build(&broken);
            assert_false(guest_translate(&guest, broken.paging, broken.linear, &gpa));
            assert_int_equal(memory.reads, level + 1);
        }
    }
}

static void refused_tables_end_the_walk(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(chains); i++) {
        u64 gpa;

        build(&chains[i]);
        memory.used--;
        assert_false(guest_translate(&guest, chains[i].paging, chains[i].linear, &gpa));
    }
}

static void paging_off_is_identity(void **state)
{
    u64 gpa;

    (void)state;
    assert_true(guest_translate(&guest, &real_mode, 0xffff123456789abc, &gpa));
    assert_int_equal(gpa, 0x56789abc);
    assert_int_equal(memory.reads, 0);
}

static void addresses_keep_within_maxphyaddr(void **state)
{
    struct guest_memory small = guest;
    u64 gpa;

    (void)state;
    small.address_mask = MASK(39, 12);
    build(&chains[10]);
    assert_true(guest_translate(&small, &long_4, chains[10].linear, &gpa));
    assert_int_equal(gpa, chains[10].expected & MASK(39, 0));
}

/* A page table that points at itself is an ordinary recursive mapping: it ends at the last level.
 */
static void recursive_tables_end(void **state)
{
    u64 gpa;

    (void)state;
    for (u32 i = 0; i < 512; i++)
        set_entry(0x1000, i, 8, 0x1000 | PTE_P);
    assert_true(guest_translate(&guest, &long_5, 0x123456789abc, &gpa));
    assert_int_equal(gpa, 0x1abc);
    assert_int_equal(memory.reads, 5);
}

static void map_4k(u64 linear, u64 gpa)
{
    set_entry(0x1000, linear >> 39 & 511, 8, 0x2000 | PTE_P);
    set_entry(0x2000, linear >> 30 & 511, 8, 0x3000 | PTE_P);
    set_entry(0x3000, linear >> 21 & 511, 8, 0x4000 | PTE_P);
    set_entry(0x4000, linear >> 12 & 511, 8, gpa | PTE_P);
}

static void reads_across_pages(void **state)
{
    u8 buffer[15];

    (void)state;
    map_4k(0x7000, 0x80000);
    map_4k(0x8000, 0x20000);
    add_page(0x80000, 0xaa);
    add_page(0x20000, 0xbb);
    assert_int_equal(guest_read(&guest, &long_4, 0x7ff9, buffer, 15), 15);
    assert_memory_equal(buffer, "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb", 15);
    assert_int_equal(guest_read(&guest, &long_4, 0x7ff1, buffer, 15), 15);
    assert_int_equal(buffer[14], 0xaa);
    assert_int_equal(guest_read(&guest, &long_4, 0x8000, buffer, 0), 0);
}

static void reads_stop_at_the_first_failure(void **state)
{
    u8 buffer[15];

    (void)state;
    map_4k(0x7000, 0x80000);
    add_page(0x80000, 0xaa);
    assert_int_equal(guest_read(&guest, &long_4, 0x7ff9, buffer, 15), 7); /* not present */
    map_4k(0x8000, 0x20000);
    assert_int_equal(guest_read(&guest, &long_4, 0x7ff9, buffer, 15), 7); /* refused */
    assert_int_equal(guest_read(&guest, &long_4, 0x8000, buffer, 15), 0);
    assert_int_equal(guest_read(&guest, &long_4, 0x6ffe, buffer, 15), 0);
}

static void reads_wrap_at_4_gib(void **state)
{
    u8 buffer[4];

    (void)state;
    add_page(0xfffff000, 0xaa);
    add_page(0, 0xbb);
    assert_int_equal(guest_read(&guest, &real_mode, 0xfffffffe, buffer, 4), 4);
    assert_memory_equal(buffer, "\xaa\xaa\xbb\xbb", 4);
}

static void linear_rip(void **state)
{
    (void)state;
    assert_int_equal(guest_linear_rip(0x10, 0xffffffff81000000, true), 0xffffffff81000000);
    assert_int_equal(guest_linear_rip(0xffff0000, 0xfff0, false), 0xfffffff0);
    assert_int_equal(guest_linear_rip(0xffff0000, 0x10000, false), 0);
    assert_int_equal(guest_linear_rip(0, 0x1234567880000000, false), 0x80000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_mode_translates, reset),
        cmocka_unit_test_setup(every_level_needs_present, reset),
        cmocka_unit_test_setup(refused_tables_end_the_walk, reset),
        cmocka_unit_test_setup(paging_off_is_identity, reset),
        cmocka_unit_test_setup(addresses_keep_within_maxphyaddr, reset),
        cmocka_unit_test_setup(recursive_tables_end, reset),
        cmocka_unit_test_setup(reads_across_pages, reset),
        cmocka_unit_test_setup(reads_stop_at_the_first_failure, reset),
        cmocka_unit_test_setup(reads_wrap_at_4_gib, reset),
        cmocka_unit_test(linear_rip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
