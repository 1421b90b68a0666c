/* Device paths and boot options, well-formed and hostile. Every buffer is exactly as long as it
 * claims. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "next/bootopt.c"
#include "uefi/devpath.c"

#define PCI(fn) 0x01, 0x01, 6, 0, (fn), 0x02
#define END     0x7f, 0xff, 4, 0
#define FILE_A  0x04, 0x04, 10, 0, '\\', 0, 'a', 0, 0, 0
#define HD(part, sig)                                                                             \
    0x04, 0x01, 42, 0, (part), 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, (sig), 1, \
        2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 2, 2

static const u8 disk[] = {PCI(1), END};
static const u8 volume[] = {PCI(1), HD(1, 0xaa), END};
static const u8 program[] = {PCI(1), HD(1, 0xaa), FILE_A, END};
static const u8 other[] = {PCI(2), HD(1, 0xaa), END};

static size_t size_of(const u8 *bytes, size_t size)
{
    u8 *copy = malloc(size + !size);

    memcpy(copy, bytes, size);
    size_t result = path_size(copy, size);
    free(copy);
    return result;
}

static void sizes(void **state)
{
    static const u8 short_node[] = {1, 1, 3, 0, END}, zero_node[] = {1, 1, 0, 0, END};
    static const u8 long_node[] = {1, 1, 200, 0, END}, long_end[] = {0x7f, 0xff, 9, 0};

    (void)state;
    assert_int_equal(size_of(program, sizeof program), sizeof program);
    for (size_t cut = 0; cut < sizeof program; cut++)
        assert_int_equal(size_of(program, cut), 0);
    assert_int_equal(size_of(short_node, sizeof short_node), 0);
    assert_int_equal(size_of(zero_node, sizeof zero_node), 0);
    assert_int_equal(size_of(long_node, sizeof long_node), 0);
    assert_int_equal(size_of(long_end, sizeof long_end), 0);
}

static void relations(void **state)
{
    u8 out[64];

    (void)state;
    assert_non_null(path_after(program, volume));
    assert_int_equal(path_after(program, volume)[1], MEDIA_FILE_PATH);
    assert_non_null(path_after(volume, volume));
    assert_non_null(path_after(volume, disk));
    assert_null(path_after(disk, volume));
    assert_null(path_after(other, disk));
    assert_true(path_disk(program, out, sizeof out));
    assert_memory_equal(out, disk, sizeof disk);
    assert_true(path_disk(disk, out, sizeof disk));
    assert_false(path_disk(disk, out, sizeof disk - 1));
}

static void partitions(void **state)
{
    static const u8 same_part[] = {HD(1, 0xaa), END}, second[] = {HD(2, 0xaa), END};
    static const u8 changed[] = {HD(1, 0xab), END}, stub[] = {4, 1, 8, 0, 1, 0, 0, 0, END};
    const u8 *hd = path_find(volume, PATH_MEDIA, MEDIA_HARD_DRIVE);
    u8 unsigned_hd[46];

    (void)state;
    assert_non_null(hd);
    assert_true(path_same_partition(hd, same_part));
    assert_false(path_same_partition(hd, second));
    assert_false(path_same_partition(hd, changed));
    assert_false(path_same_partition(hd, stub));
    assert_false(path_same_partition(stub, hd));
    memcpy(unsigned_hd, same_part, sizeof unsigned_hd);
    unsigned_hd[41] = 0; /* no signature: nothing to compare */
    assert_false(path_same_partition(unsigned_hd, unsigned_hd));
}

static void files(void **state)
{
    static const u8 two[] = {4, 4, 8, 0, '\\', 0, 'b', 0, 4, 4, 6, 0, 'c', 0, END};
    static const u8 odd[] = {4, 4, 7, 0, 'x', 0, 9, END}, empty[] = {4, 4, 4, 0, END};
    static const u16 expect[] = {'\\', 'b', '\\', 'c', 0}, a[] = {'\\', 'a', 0};
    u16 file[8];

    (void)state;
    assert_true(path_file(program, file, 8));
    assert_memory_equal(file, a, sizeof a);
    assert_true(path_file(two, file, 8));
    assert_memory_equal(file, expect, sizeof expect);
    assert_false(path_file(two, file, 4));
    assert_true(path_file(odd, file, 8));
    assert_int_equal(file[2], 0);
    assert_false(path_file(volume, file, 8));
    assert_false(path_file(empty, file, 8));
}

static void append(void **state)
{
    static const u16 a[] = {'\\', 'a', 0};
    u8 out[sizeof program];

    (void)state;
    assert_int_equal(path_append_file(volume, a, out, sizeof out), sizeof program);
    assert_memory_equal(out, program, sizeof program);
    assert_int_equal(path_append_file(volume, a, out, sizeof out - 1), 0);
}

static const u8 option_bytes[] = {1, 0, 0, 0,      sizeof disk, 0,   'O', 0,  0xe9,
                                  3, 0, 0, PCI(1), END,         'x', 'y', 'z'};

static bool parse_option(const u8 *bytes, size_t size, struct bootopt *option)
{
    static u8 *copy;

    free(copy);
    copy = malloc(size + !size);
    memcpy(copy, bytes, size);
    return bootopt_parse(copy, size, option);
}

static void options(void **state)
{
    struct bootopt option;

    (void)state;
    assert_true(parse_option(option_bytes, sizeof option_bytes, &option));
    assert_string_equal(option.name, "O?");
    assert_true(option.active);
    assert_memory_equal(option.path, disk, sizeof disk);
    assert_int_equal(option.optional_size, 3);
    assert_memory_equal(option.optional, "xyz", 3);
    for (size_t cut = 0; cut < sizeof option_bytes - 3; cut++)
        assert_false(parse_option(option_bytes, cut, &option));
}

static void option_attributes(void **state)
{
    u8 bytes[sizeof option_bytes];
    struct bootopt option;

    (void)state;
    memcpy(bytes, option_bytes, sizeof bytes);
    bytes[0] = 0;
    assert_true(parse_option(bytes, sizeof bytes, &option));
    assert_false(option.active);
    bytes[0] = 1;
    bytes[1] = 1; /* LOAD_OPTION_CATEGORY_APP */
    assert_true(parse_option(bytes, sizeof bytes, &option));
    assert_false(option.active);
    bytes[1] = 0;
    bytes[4] = 200; /* a path list longer than the variable */
    assert_false(parse_option(bytes, sizeof bytes, &option));
    bytes[4] = 4; /* a list that cuts its path */
    assert_false(parse_option(bytes, sizeof bytes, &option));
    bytes[4] = 0;
    assert_false(parse_option(bytes, sizeof bytes, &option));
}

static void long_name(void **state)
{
    u8 bytes[6 + 2 * 100 + 2 + 4] = {1, 0, 0, 0, 4, 0};
    struct bootopt option;

    (void)state;
    for (size_t i = 0; i < 100; i++)
        bytes[6 + 2 * i] = 'n';
    memcpy(bytes + sizeof bytes - 4, (u8[]){END}, 4);
    assert_true(parse_option(bytes, sizeof bytes, &option));
    assert_int_equal(strlen(option.name), BOOTOPT_NAME - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(relations),
        cmocka_unit_test(partitions),
        cmocka_unit_test(files),
        cmocka_unit_test(append),
        cmocka_unit_test(options),
        cmocka_unit_test(option_attributes),
        cmocka_unit_test(long_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
