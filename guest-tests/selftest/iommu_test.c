#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "selftest/buffer.c"
#include "selftest/iommu.c"
#include "uefi/text.c"

static char said[16384];

static void note(const char *name, const char *text)
{
    strcat(strcat(strcat(strcat(said, name), "="), text), ";");
}

/* Registers that have their own offset as a value; a page that is not mapped. */
static bool read_offset(u64 address, u32 *value)
{
    *value = (u32)(address & 0xfff) | 0x10000;
    return address < 0xfed91000;
}

/* On the heap, exactly as long, so that a read past the end is seen. */
static const char *facts(const u8 *bytes, size_t size)
{
    u8 *copy = malloc(size);

    said[0] = 0;
    memcpy(copy, bytes, size);
    iommu_facts(copy, size, read_offset, note);
    free(copy);
    return said;
}

static size_t add(u8 *table, size_t at, const void *bytes, size_t size)
{
    memcpy(table + at, bytes, size);
    return at + size;
}

/* Two units, one of them with a device's scope, a reserved region, and a type of later years. */
static size_t dmar(u8 table[256])
{
    static const u8 first[] = {0, 0, 24, 0, 0,    0, 0, 0, 0, 0, 0xd9, 0xfe,
                               0, 0, 0,  0, 0x01, 8, 0, 0, 0, 0, 2,    0},
                    region[] = {1, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0x10}, /* 24 bytes */
        second[] = {0, 0, 16, 0, 1, 0, 2, 0, 0, 0x10, 0xd9, 0xfe, 0, 0, 0, 0},
                    later[] = {0x77, 0, 4, 0};
    size_t at = STRUCTURES;

    memset(table, 0, 256);
    memcpy(table, "DMAR", 4);
    table[OWN] = 38;
    table[OWN + 1] = 5;
    at = add(table, at, first, sizeof first);
    memcpy(table + at, region, sizeof region);
    at = add(table, at + 24, second, sizeof second);
    return add(table, at, later, sizeof later);
}

static void intel(void **state)
{
    u8 table[256];
    size_t size = dmar(table);

    (void)state;
    assert_string_equal(
        facts(table, size),
        "iommu.dmar=head 0x526, 2 units, 1 RMRR, 0 ATSR, 0 RHSA, 0 ANDD;"
        "iommu.unit.1=base 0xfed90000, segment 0, flags 0x0, version 0x10000, "
        "capability 0x1000c00010008, extended capability 0x1001400010010, status 0x1001c;"
        "iommu.unit.2=base 0xfed91000, segment 2, flags 0x1, version not mapped, "
        "capability not mapped, extended capability not mapped, status not mapped;");
}

/* The same unit as types 10h, 11h and 40h, as firmware has it for old and new systems. */
static size_t ivrs(u8 table[256])
{
    static const u8 units_[][24] = {
        {0x10, 0xb0, 24, 0, 2, 0, 0x40, 0, 0, 0, 0xd8, 0xfe, 0, 0, 0, 0, 1},
        {0x11, 0xb0, 24, 0, 2, 0, 0x40, 0, 0, 0, 0xd8, 0xfe, 0, 0, 0, 0, 1},
        {0x40, 0xb0, 24, 0, 2, 0, 0x40, 0, 0, 0, 0xd8, 0xfe, 0, 0, 0, 0, 1},
        {0x21, 0x08, 24},
    };

    memset(table, 0, 256);
    memcpy(table, "IVRS", 4);
    table[OWN] = 0x43;
    return add(table, STRUCTURES, units_, sizeof units_);
}

static void amd(void **state)
{
    u8 table[256];
    size_t size = ivrs(table);

    (void)state;
    assert_string_equal(facts(table, size),
                        "iommu.ivrs=head 0x43, 2 units, 1 units again, 1 IVMD;"
                        "iommu.unit.1=base 0xfed80000, segment 1, flags 0xb0, "
                        "control 0x1001c00010018, extended features 0x1003400010030;"
                        "iommu.unit.2=base 0xfed80000, segment 1, flags 0xb0, "
                        "control 0x1001c00010018, extended features 0x1003400010030;");
}

static void none(void **state)
{
    static const u8 other[64] = "APIC";

    (void)state;
    assert_string_equal(facts(other, sizeof other), "");
    assert_string_equal(facts((const u8 *)"DMAR", 4), "");
}

/* A length of nothing, one beyond the end, a unit that is too short for its fields. */
static void malformed(void **state)
{
    u8 table[256];
    size_t size = dmar(table);

    (void)state;
    table[STRUCTURES + 2] = 0;
    assert_string_equal(facts(table, size), "iommu.dmar=head 0x526, 0 units, 0 RMRR, 0 ATSR, 0 "
                                            "RHSA, 0 ANDD, malformed at byte 48 of 116;");
    table[STRUCTURES + 2] = 255;
    assert_non_null(strstr(facts(table, size), "malformed at byte 48 of 116"));
    size = dmar(table);
    table[STRUCTURES + 24 + 24 + 2] = 15;
    assert_null(strstr(facts(table, size), "iommu.unit.2"));
}

/* Cut anywhere, and with any byte wrong, it stays within the table. */
static void damaged(void **state)
{
    static size_t (*const tables[])(u8 *) = {dmar, ivrs};
    u8 table[256];

    (void)state;
    for (u32 kind = 0; kind < COUNT(tables); kind++)
        for (size_t i = 0, size = tables[kind](table); i < size; i++) {
            facts(table, i);
            for (u32 value = 0; value < 256; value += 5) {
                tables[kind](table);
                table[i] = (u8)value;
                facts(table, size);
            }
            tables[kind](table);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intel),     cmocka_unit_test(amd),     cmocka_unit_test(none),
        cmocka_unit_test(malformed), cmocka_unit_test(damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
