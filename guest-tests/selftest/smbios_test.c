#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "selftest/smbios.c"

static char said[512];

static void note(const char *name, const char *text)
{
    strcat(strcat(strcat(strcat(said, name), "="), text), ";");
}

/* On the heap, exactly as long, so that a read past the end is seen. */
static const char *facts(const char *bytes, size_t size)
{
    u8 *copy = malloc(size);

    said[0] = 0;
    memcpy(copy, bytes, size);
    smbios_facts(copy, size, note);
    free(copy);
    return said;
}

/* Vendor, version, address, date; then manufacturer, product, version, serial number, UUID; then a
 * board's. */
static const char table[] = "\x00\x09\x00\x00\x01\x02\x00\xe8\x03"
                            "Maker\0001.2\00001/02/2026\0\0"
                            "\x01\x09\x01\x00\x01\x02\x00\x03\x55"
                            "Seller\0Box\0SERIAL\0\0"
                            "\x10\x04\x02\x00\0\0"
                            "\x02\x08\x03\x00\x01\x02\x03\x04"
                            "B\0P\0V\0S\0\0"
                            "\x02\x08\x04\x00\x01\x02\x03\x04"
                            "other\0P\0V\0S\0\0"
                            "\x7f\x04\x05\x00\0";

static void names_and_versions(void **state)
{
    (void)state;
    assert_string_equal(
        facts(table, sizeof table),
        "bios.vendor=Maker;bios.version=1.2;bios.date=01/02/2026;system.vendor=Seller;"
        "system.product=Box;board.vendor=B;board.product=P;board.version=V;");
    assert_null(strstr(said, "SERIAL"));
}

/* Cut anywhere, and with any byte wrong, it stays within the table. */
static void damaged(void **state)
{
    char copy[sizeof table];

    (void)state;
    for (size_t size = 0; size < sizeof table; size++)
        facts(table, size);
    for (size_t i = 0; i < sizeof table; i++)
        for (u32 value = 0; value < 256; value += 5) {
            memcpy(copy, table, sizeof table);
            copy[i] = (char)value;
            if (copy[i])
                facts(copy, i < 20 ? sizeof table : i);
        }
}

static void entries(void **state)
{
    u8 three[24] = "_SM3_", two[31] = "_SM_";
    u64 at = 0;
    u32 length = 0;

    (void)state;
    put32(three + 12, 0x1000);
    put64(three + 16, 0x123456789aULL);
    assert_true(smbios_entry(three, sizeof three, &at, &length));
    assert_int_equal(at, 0x123456789aULL);
    assert_int_equal(length, 0x1000);
    two[22] = 0x34;
    two[23] = 0x12;
    put32(two + 24, 0xf0000);
    assert_true(smbios_entry(two, sizeof two, &at, &length));
    assert_int_equal(at, 0xf0000);
    assert_int_equal(length, 0x1234);
    assert_false(smbios_entry(two, 30, &at, &length));
    assert_false(smbios_entry(three, 23, &at, &length));
    assert_false(smbios_entry((const u8 *)"_DMI_1234567890123456789012345678", 31, &at, &length));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_versions),
        cmocka_unit_test(damaged),
        cmocka_unit_test(entries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
