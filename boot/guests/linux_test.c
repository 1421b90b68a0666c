#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "guests/linux.c"
#include "boot_info.h"
#include "machine/tables.c"
#include "uefi/text.c"

#define FILE_SIZE (5 * 512 + 1000000ULL)

static u8 header[LINUX_HEADER];
static u8 *setup;
static struct linux_image image;

/* As Debian's 6.1, but for the sizes. */
static void make_header(void)
{
    memset(header, 0xcc, sizeof header);
    header[SETUP_SECTS] = 4;
    put32(header + SYSSIZE, 1000000 / 16);
    put32(header + BOOT_FLAG, 0x26ebaa55 | 0x6a0000); /* the jump's second byte is the length */
    header[HEADER_LENGTH] = 0x6a;
    put32(header + HEADER_MAGIC, 0x53726448);
    put32(header + VERSION, 0x20f);
    header[LOADFLAGS] = LOADED_HIGH;
    put32(header + INITRD_ADDR_MAX, 0x7fffffff);
    put32(header + XLOADFLAGS, KERNEL_64);
    put32(header + CMDLINE_SIZE, 2047);
    put64(header + PREF_ADDRESS, MIB(16));
    put32(header + INIT_SIZE, (u32)MIB(40));
}

static const char *verdict(u64 size)
{
    return linux_read(header, size, &image);
}

static void good_header(void **state)
{
    (void)state;
    make_header();
    assert_null(verdict(FILE_SIZE));
    assert_int_equal(image.code, 5 * 512);
    assert_int_equal(image.code_size, 1000000);
    assert_int_equal(image.address, MIB(16));
    assert_int_equal(image.init_size, MIB(40));
    assert_int_equal(image.cmdline_size, 2047);
    header[SETUP_SECTS] = 0; /* means 4 */
    assert_null(verdict(FILE_SIZE + 7));
    assert_int_equal(image.code, 5 * 512);
    assert_int_equal(image.code_size, 1000000);
}

static void bad_headers(void **state)
{
    static const struct {
        u16 at;
        u32 value;
        const char *word;
    } cases[] = {
        {BOOT_FLAG, 0, "not a Linux"},
        {HEADER_MAGIC, 0, "not a Linux"},
        {VERSION, 0x20b, "older than 2.12"},
        {LOADFLAGS, 0, "older than 2.12"},
        {XLOADFLAGS, 2, "not an x86-64"},
        {SYSSIZE, 1000000 / 16 + 1, "cut short"},
        {SYSSIZE, 0, "cut short"},
        {INIT_SIZE, 1000, "no usable load"},
        {INIT_SIZE, ~0U, "no usable load"},
        {PREF_ADDRESS, 0, "no usable load"},
        {PREF_ADDRESS, 0x1000001, "no usable load"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        make_header();
        put32(header + cases[i].at, cases[i].value);
        const char *why = verdict(FILE_SIZE);
        assert_non_null(why);
        assert_non_null(strstr(why, cases[i].word));
    }
    make_header();
    assert_non_null(verdict(LINUX_HEADER - 1));
    assert_non_null(verdict(5 * 512));
}

static void places(void **state)
{
    struct linux_start start;
    u64 least;

    (void)state;
    make_header();
    verdict(FILE_SIZE);
    assert_true(linux_place(&image, MIB(64), 5000, &start, &least));
    assert_int_equal(start.kernel, MIB(16));
    assert_int_equal(start.entry, MIB(16) + 0x200);
    assert_int_equal(start.initrd, MIB(64) - 8192);
    assert_int_equal(least, MIB(58));
    assert_true(linux_place(&image, MIB(56), 0, &start, &least));
    assert_int_equal(start.initrd, 0);
    assert_false(linux_place(&image, MIB(54), 0, &start, &least));
    assert_false(linux_place(&image, MIB(56), 1, &start, &least));
    assert_true(linux_place(&image, least, 1, &start, &least));
    assert_false(linux_place(&image, MIB(64), GIB(1), &start, &least));
    /* Below what the kernel reaches, and below the hole. */
    assert_true(linux_place(&image, GIB(16), MIB(1), &start, &least));
    assert_int_equal(start.initrd, GIB(2) - MIB(1));
    image.initrd_max = ~0U;
    assert_true(linux_place(&image, GIB(16), MIB(1), &start, &least));
    assert_int_equal(start.initrd, LINUX_HOLE - MIB(1));
}

/* What the processor finds for an address by the tables in the setup piece. */
static u64 walk(u64 cr3, u64 address)
{
    u64 table = cr3, entry = 0;

    for (unsigned shift = 39; shift >= 21; shift -= 9) {
        assert_in_range(table, LINUX_SETUP, LINUX_SETUP + LINUX_SETUP_SIZE - PAGE_SIZE);
        entry = get64(setup + (table - LINUX_SETUP) + 8 * (address >> shift & 511));
        assert_int_equal(entry & 3, 3);
        table = entry & MASK(51, 12);
    }
    assert_true(entry & 0x80);
    return (entry & MASK(51, 21)) | (address & (MIB(2) - 1));
}

static void check_e820(unsigned i, u64 base, u64 end, u32 type)
{
    const u8 *entry = setup + E820_TABLE + 20 * i;

    assert_int_equal(get64(entry), base);
    assert_int_equal(get64(entry) + get64(entry + 8), end);
    assert_int_equal(get32(entry + 16), type);
}

static void setup_piece(void **state)
{
    struct linux_start start;
    u64 least;

    (void)state;
    make_header();
    verdict(FILE_SIZE);
    assert_true(linux_place(&image, GIB(6), 5000, &start, &least));
    linux_setup(setup, header, &start, "quiet loglevel=7");
    assert_int_equal(get32(setup + HEADER_MAGIC), 0x53726448);
    assert_int_equal(get32(setup + INIT_SIZE), MIB(40));
    assert_int_equal(setup[HEADER_MAGIC + 0x6a], 0); /* beyond the setup header all is 0 */
    assert_int_equal(setup[TYPE_OF_LOADER], 0xff);
    assert_int_equal(get32(setup + RAMDISK_IMAGE), start.initrd);
    assert_int_equal(get32(setup + RAMDISK_SIZE), 5000);
    assert_int_equal(get64(setup + ACPI_RSDP_ADDR), LINUX_ACPI);
    const u32 words = get32(setup + CMD_LINE_PTR);
    assert_string_equal((char *)setup + (words - LINUX_SETUP), "quiet loglevel=7");
    assert_int_equal(get64(setup + (start.gdt - LINUX_SETUP) + 0x10) >> 40 & 0xff, 0x9b);
    assert_int_equal(setup[E820_ENTRIES], 5);
    check_e820(0, 0, 0xa0000, 1);
    check_e820(1, 0xe0000, 0x100000, 3);
    check_e820(2, MIB(1), LINUX_HOLE, 1);
    check_e820(3, LINUX_HOLE, GIB(4), 2);
    check_e820(4, GIB(4), GIB(6), 1);
    for (u64 address = 0; address < GIB(4); address += MIB(2) - 7)
        assert_int_equal(walk(start.cr3, address), address);
    linux_place(&image, MIB(64), 0, &start, &least);
    linux_setup(setup, header, &start, "");
    assert_int_equal(setup[E820_ENTRIES], 4);
    check_e820(2, MIB(1), MIB(64), 1);
}

static void cmdlines(void **state)
{
    static char out[LINUX_CMDLINE], words[LINUX_CMDLINE];

    (void)state;
    assert_true(linux_cmdline(out, "", 2400000, 2047));
    assert_string_equal(out, "tsc_early_khz=2400000 tsc=reliable noapic reboot=a");
    assert_true(linux_cmdline(out, "a b=c", 1, 2047));
    assert_string_equal(out, "tsc_early_khz=1 tsc=reliable noapic reboot=a a b=c");
    assert_true(linux_cmdline(out, "a b=c", 1, strlen(out)));
    assert_false(linux_cmdline(out, "a b=c", 1, strlen(out) - 1));
    memset(words, 'x', sizeof words - 1);
    assert_false(linux_cmdline(out, words, 1, ~0ULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_header), cmocka_unit_test(bad_headers), cmocka_unit_test(places),
        cmocka_unit_test(setup_piece), cmocka_unit_test(cmdlines),
    };

    setup = malloc(LINUX_SETUP_SIZE);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(setup);
    return failed;
}
