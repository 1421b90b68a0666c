/* Finding, placing and holding kept blocks, with a firmware that is a memory map and
 * real memory at the places that matter; and that a reader survives whatever has been written over
 * one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "machine/kept_blocks.c"

#define RANGES 8
#define PLACES 4 /* of 2 MiB, from KEPT_LOWEST on */

static EFI_MEMORY_DESCRIPTOR ranges[RANGES];
static u32 range_count;
static bool cede_is_here;
static u64 taken[PLACES]; /* pages */
static EFI_BOOT_SERVICES services;
static struct presence presence;

EFI_BOOT_SERVICES *BS = &services;

const struct presence *presence_find(void)
{
    return cede_is_here ? &presence : NULL;
}

EFI_STATUS memory_map(u8 **map, UINTN *size, UINTN *stride)
{
    *map = (u8 *)ranges;
    *size = range_count * sizeof(ranges[0]);
    *stride = sizeof(ranges[0]);
    return EFI_SUCCESS;
}

void pool_free(void *pool)
{
    assert_ptr_equal(pool, ranges);
}

static u64 place(u32 index)
{
    return KEPT_LOWEST + index * KEPT_ALIGN;
}

static EFI_STATUS EFIAPI allocate(EFI_ALLOCATE_TYPE how, EFI_MEMORY_TYPE type, UINTN pages,
                                  EFI_PHYSICAL_ADDRESS *address)
{
    u32 index = (u32)((*address - KEPT_LOWEST) / KEPT_ALIGN);

    assert_int_equal(how, AllocateAddress);
    assert_int_equal(type, EfiReservedMemoryType);
    if (index >= PLACES || taken[index] || ranges[index].Type != EfiConventionalMemory)
        return EFI_NOT_FOUND;
    taken[index] = pages;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI give_back(EFI_PHYSICAL_ADDRESS address, UINTN pages)
{
    u32 index = (u32)((address - KEPT_LOWEST) / KEPT_ALIGN);

    assert_int_equal(taken[index], pages);
    taken[index] = 0;
    return EFI_SUCCESS;
}

static void EFIAPI set(void *memory, UINTN size, UINT8 value)
{
    memset(memory, value, size);
}

static void add_range(u32 type, u64 base, u64 size, u64 attribute)
{
    ranges[range_count++] = (EFI_MEMORY_DESCRIPTOR){.Type = type,
                                                    .PhysicalStart = base,
                                                    .NumberOfPages = size / PAGE_SIZE,
                                                    .Attribute = attribute};
}

static int set_up(void **state)
{
    (void)state;
    services.AllocatePages = allocate;
    services.FreePages = give_back;
    services.SetMem = set;
    memset((void *)KEPT_LOWEST, 0, PLACES * KEPT_ALIGN);
    memset(taken, 0, sizeof taken);
    range_count = 0;
    cede_is_here = false;
    for (u32 i = 0; i < PLACES; i++)
        add_range(EfiConventionalMemory, place(i), KEPT_ALIGN, EFI_MEMORY_WB | EFI_MEMORY_UC);
    return 0;
}

static int map_places(void **state)
{
    (void)state;
    return mmap((void *)KEPT_LOWEST, PLACES * KEPT_ALIGN, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED;
}

static struct kept *put(u32 index, u32 kind, u32 serial, u32 used)
{
    struct kept *block = (void *)place(index);

    kept_begin(block, place(index), kind, 0x1000, serial);
    block->used = used;
    return block;
}

static void what_is_allocated_is_found(void **state)
{
    struct kept *block = kept_alloc(KEPT_STEP, 5000), *other;

    (void)state;
    assert_int_equal((u64)block, KEPT_LOWEST);
    assert_int_equal(taken[0], 2);
    assert_int_equal(block->size, 2 * PAGE_SIZE - sizeof *block);
    assert_int_equal((u64)block->payload % 64, 0);
    assert_ptr_equal(kept_find(KEPT_STEP, NULL), block);
    assert_null(kept_find(KEPT_CEDE, NULL));
    assert_null(kept_find(KEPT_STEP, block));
    other = kept_alloc(KEPT_STEP, 1);
    assert_int_equal((u64)other, place(1));
    assert_true(other->serial > block->serial);
    assert_ptr_equal(kept_find(KEPT_STEP, block), other);
}

/* After a reset the memory is free again, and the next boot must not write there. */
static void the_last_boots_is_not_written_over(void **state)
{
    struct kept *block = kept_alloc(KEPT_CEDE, 100), *next;

    (void)state;
    taken[0] = 0;
    next = kept_alloc(KEPT_CEDE, 100);
    assert_int_equal((u64)next, place(1));
    assert_ptr_equal(kept_find(KEPT_CEDE, NULL), block);
    taken[1] = 0;
    next = kept_alloc(KEPT_STEP, 3 * MIB(1)); /* reaches into the one after the next */
    assert_int_equal((u64)next, place(2));
}

static void a_large_one_is_not_laid_over_another(void **state)
{
    (void)state;
    put(1, KEPT_CEDE, 1, 0);
    assert_int_equal((u64)kept_alloc(KEPT_STEP, MIB(1)), place(0));
    taken[0] = 0;
    ((struct kept *)place(0))->magic = 0;
    assert_int_equal((u64)kept_alloc(KEPT_STEP, MIB(2)), place(2));
    assert_null(kept_alloc(KEPT_STEP, KEPT_LIMIT));
}

static void places_that_are_not_free_are_left_alone(void **state)
{
    (void)state;
    ranges[0].Type = EfiBootServicesData;
    ranges[1].Attribute = EFI_MEMORY_UC;
    put(0, KEPT_CEDE, 1, 1);
    put(1, KEPT_CEDE, 2, 1);
    assert_null(kept_find(KEPT_CEDE, NULL));
    assert_int_equal((u64)kept_alloc(KEPT_CEDE, 1), place(2));
}

/* Under Cede its own memory is reserved too. */
static void reserved_memory_is_read_where_cede_is_not(void **state)
{
    struct kept *block = put(2, KEPT_STEP, 1, 1);

    (void)state;
    ranges[2].Type = EfiReservedMemoryType;
    assert_ptr_equal(kept_find(KEPT_STEP, NULL), block);
    cede_is_here = true;
    assert_null(kept_find(KEPT_STEP, NULL));
}

static bool says(const struct kept *block)
{
    return block->payload[0];
}

static void the_newest_that_says_something(void **state)
{
    struct kept *first = put(0, KEPT_CEDE, 5, 1), *second = put(1, KEPT_CEDE, 3, 1),
                *silent = put(2, KEPT_CEDE, 9, 0);

    (void)state;
    put(3, KEPT_STEP, 10, 1);
    assert_ptr_equal(kept_newest(KEPT_CEDE, NULL), first);
    silent->payload[0] = 1;
    assert_ptr_equal(kept_newest(KEPT_CEDE, says), silent);
    kept_drop(silent);
    kept_drop(first);
    assert_ptr_equal(kept_newest(KEPT_CEDE, says), second);
    assert_int_equal(taken[0] + taken[1] + taken[2], 0);
}

static void held_and_dropped(void **state)
{
    struct kept *block = put(0, KEPT_CEDE, 1, 1);

    (void)state;
    assert_true(kept_hold(block));
    assert_int_equal(taken[0], 2);
    assert_true(kept_hold(block));
    kept_drop(block);
    assert_int_equal(taken[0], 0);
    assert_null(kept_find(KEPT_CEDE, NULL));
}

/* Each byte of what does not change, and the room that the memory map leaves. */
static void garbage_is_no_block(void **state)
{
    struct kept *block = put(0, KEPT_CEDE, 1, 0xffffffff);

    (void)state;
    for (u32 i = 0; i < offsetof(struct kept, used); i++)
        for (u32 bit = 0; bit < 8; bit++) {
            ((u8 *)block)[i] ^= (u8)(1 << bit);
            assert_null(kept_find(KEPT_CEDE, NULL));
            ((u8 *)block)[i] ^= (u8)(1 << bit);
        }
    assert_ptr_equal(kept_find(KEPT_CEDE, NULL), block);
    assert_int_equal(kept_used(block), block->size);
    ranges[0].NumberOfPages = 1; /* the rest was allocated by somebody */
    assert_null(kept_find(KEPT_CEDE, NULL));
    memmove((void *)place(1), block, sizeof *block);
    assert_null(kept_find(KEPT_CEDE, NULL));
}

static void noise_is_never_read_out_of_bounds(void **state)
{
    (void)state;
    srand(1);
    for (u32 round = 0; round < 20000; round++) {
        struct kept *block = put(PLACES - 1, KEPT_CEDE, 1, 0);

        for (u32 changes = (u32)rand() % 4; changes; changes--)
            ((u8 *)block)[(u32)rand() % sizeof *block] = (u8)rand();
        ranges[PLACES - 1].NumberOfPages = (u32)rand() % 3;
        block = kept_find(KEPT_CEDE, NULL);
        if (block)
            assert_true(block->payload + kept_used(block) <=
                        (u8 *)place(PLACES - 1) + ranges[PLACES - 1].NumberOfPages * PAGE_SIZE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_allocated_is_found, set_up),
        cmocka_unit_test_setup(the_last_boots_is_not_written_over, set_up),
        cmocka_unit_test_setup(a_large_one_is_not_laid_over_another, set_up),
        cmocka_unit_test_setup(places_that_are_not_free_are_left_alone, set_up),
        cmocka_unit_test_setup(reserved_memory_is_read_where_cede_is_not, set_up),
        cmocka_unit_test_setup(the_newest_that_says_something, set_up),
        cmocka_unit_test_setup(held_and_dropped, set_up),
        cmocka_unit_test_setup(garbage_is_no_block, set_up),
        cmocka_unit_test_setup(noise_is_never_read_out_of_bounds, set_up),
    };
    return cmocka_run_group_tests(tests, map_places, NULL);
}
