/* ACPI tables and bridge windows, as QEMU and servers have them and as they should not be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "machine/acpi_tables.c"
#include "machine/bridge.c"

static u8 table[512];

/* A zeroed table with a right header. */
static u8 *make(const char *signature, u32 length)
{
    memset(table, 0, sizeof table);
    memcpy(table, signature, 4);
    put32(table + 4, length);
    return table;
}

static size_t checked_size(size_t size, const char *signature)
{
    u8 *copy = malloc(size + !size);

    memcpy(copy, table, size);
    size_t result = acpi_table_size(copy, size, signature);
    free(copy);
    return result;
}

static void headers(void **state)
{
    (void)state;
    make("APIC", 60);
    acpi_mend_checksum(table, 60);
    assert_int_equal(checked_size(60, "APIC"), 60);
    assert_int_equal(checked_size(100, "APIC"), 60);
    assert_int_equal(checked_size(100, "FACP"), 0);
    for (size_t cut = 0; cut < 60; cut++)
        assert_int_equal(checked_size(cut, "APIC"), 0);
    table[50] ^= 1;
    assert_int_equal(checked_size(60, "APIC"), 0);
    make("APIC", 35);
    acpi_mend_checksum(table, 35);
    assert_int_equal(checked_size(60, "APIC"), 0);
    make("APIC", 0xffffffff);
    assert_int_equal(checked_size(60, "APIC"), 0);
}

static void mcfg(void **state)
{
    (void)state;
    make("MCFG", 76);
    put64(table + 44, 0xe0000000);
    table[44 + 8] = 1; /* segment 1 */
    put64(table + 60, 0xb0000000);
    assert_int_equal(acpi_parse_mcfg(table, 76), 0xb0000000);
    assert_int_equal(acpi_parse_mcfg(table, 75), 0); /* the entry is cut off */
    table[60 + 10] = 4;                              /* from bus 4 on */
    assert_int_equal(acpi_parse_mcfg(table, 76), 0);
    assert_int_equal(acpi_parse_mcfg(table, 36), 0);
}

static void rsdp(void **state)
{
    u8 bytes[36] = "RSD PTR ";
    unsigned entry;
    u64 root;

    (void)state;
    put32(bytes + 16, 0x1000);
    bytes[8] = (u8)-sum(bytes, 20);
    assert_true(acpi_parse_rsdp(bytes, &root, &entry));
    assert_int_equal(root, 0x1000);
    assert_int_equal(entry, 4);

    bytes[15] = 2;
    put64(bytes + 24, 0x123456789000);
    bytes[8] = (u8)(bytes[8] - sum(bytes, 20));
    bytes[32] = (u8)-sum(bytes, 36);
    assert_true(acpi_parse_rsdp(bytes, &root, &entry));
    assert_int_equal(root, 0x123456789000);
    assert_int_equal(entry, 8);
    bytes[32]++; /* the extension is bad: the RSDT still holds */
    assert_true(acpi_parse_rsdp(bytes, &root, &entry));
    assert_int_equal(entry, 4);
    bytes[0] = 'X';
    assert_false(acpi_parse_rsdp(bytes, &root, &entry));
}

static size_t add(size_t at, const u8 *entry, size_t size)
{
    memcpy(table + at, entry, size);
    return at + size;
}

static u32 madt(size_t size, u32 *ids, u32 max)
{
    u8 *copy = malloc(size);

    memcpy(copy, table, size);
    u32 count = acpi_parse_madt(copy, size, ids, max);
    free(copy);
    return count;
}

static void processors(void **state)
{
    static const u8 apic0[] = {0, 8, 0, 0, 1, 0, 0, 0}, apic4[] = {0, 8, 1, 4, 2, 0, 0, 0};
    static const u8 absent[] = {0, 8, 2, 6, 0, 0, 0, 0}, none[] = {0, 8, 3, 255, 1, 0, 0, 0};
    static const u8 ioapic[] = {1, 12, 9, 0, 1, 0, 0, 0, 1, 0, 0, 0};
    static const u8 x2[] = {9, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0};
    static const u8 again[] = {9, 16, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0};
    static const u8 nobody[] = {9, 16, 0, 0, 255, 255, 255, 255, 1, 0, 0, 0, 0, 0, 0, 0};
    u32 ids[8];
    size_t at = 44;

    (void)state;
    make("APIC", 0);
    at = add(at, apic0, sizeof apic0);
    at = add(at, ioapic, sizeof ioapic);
    at = add(at, apic4, sizeof apic4);
    at = add(at, absent, sizeof absent);
    at = add(at, none, sizeof none);
    at = add(at, x2, sizeof x2);
    at = add(at, again, sizeof again);
    at = add(at, nobody, sizeof nobody);
    assert_int_equal(madt(at, ids, 8), 3);
    assert_int_equal(ids[0], 0);
    assert_int_equal(ids[1], 4);
    assert_int_equal(ids[2], 0x100);
    assert_int_equal(madt(at, ids, 1), 4); /* what is not stored cannot be recognised again */
    for (size_t cut = 44; cut < at; cut++)
        assert_true(madt(cut, ids, 8) <= 3);
}

static void hostile_madt(void **state)
{
    static const u8 zero[] = {0, 0, 0, 0, 1, 0, 0, 0}, one[] = {0, 1}, small[] = {9, 4, 0, 0};
    static const u8 beyond[] = {0, 200, 0, 0, 1, 0, 0, 0};
    u32 ids[8];

    (void)state;
    make("APIC", 0);
    assert_int_equal(madt(add(44, zero, sizeof zero), ids, 8), 0);
    assert_int_equal(madt(add(44, one, sizeof one), ids, 8), 0);
    assert_int_equal(madt(add(44, small, sizeof small), ids, 8), 0);
    assert_int_equal(madt(add(44, beyond, sizeof beyond), ids, 8), 0);
}

static void gas(unsigned at, u8 space, u64 address)
{
    table[at] = space;
    put64(table + at + 4, address);
}

static struct fadt fadt(size_t size)
{
    u8 *copy = malloc(size);
    struct fadt out;

    memcpy(copy, table, size);
    acpi_parse_fadt(copy, size, &out);
    free(copy);
    return out;
}

static void fixed_table(void **state)
{
    (void)state;
    make("FACP", 244);
    put32(table + FADT_DSDT, 0x2000);
    put32(table + FADT_PM1A_CNT, 0x604);
    put32(table + FADT_FLAGS, FADT_RESET_SUPPORTED);
    gas(FADT_RESET, SPACE_IO, 0xcf9);
    table[FADT_RESET_VALUE] = 6;

    struct fadt f = fadt(244);
    assert_int_equal(f.pm1a_cnt, 0x604);
    assert_int_equal(f.pm1b_cnt, 0);
    assert_int_equal(f.reset.address, 0xcf9);
    assert_int_equal(f.reset.space, SPACE_IO);
    assert_int_equal(f.reset.value, 6);
    assert_int_equal(f.dsdt, 0x2000);
    assert_false(f.low_power_s0 || f.pm1_memory || f.hw_reduced);

    put64(table + FADT_X_DSDT, 0x123450000);
    gas(FADT_X_PM1A_CNT, SPACE_IO, 0x804);
    gas(FADT_X_PM1B_CNT, SPACE_MEMORY, 0xfed80000);
    f = fadt(244);
    assert_int_equal(f.dsdt, 0x123450000);
    assert_int_equal(f.pm1a_cnt, 0x804);
    assert_int_equal(f.pm1b_cnt, 0);
    assert_true(f.pm1_memory);
    for (size_t cut = ACPI_HEADER; cut < 244; cut++)
        fadt(cut);
    assert_int_equal(fadt(116).reset.space, 0xff); /* ACPI 1.0 has no reset register */
}

static void reset_refused(void **state)
{
    (void)state;
    make("FACP", 244);
    gas(FADT_RESET, SPACE_IO, 0xcf9);
    assert_int_equal(fadt(244).reset.space, 0xff); /* not supported, says the flag */
    put32(table + FADT_FLAGS, FADT_RESET_SUPPORTED);
    gas(FADT_RESET, 0x7f, 0xcf9);
    assert_int_equal(fadt(244).reset.space, 0xff);
    gas(FADT_RESET, SPACE_IO, 0);
    assert_int_equal(fadt(244).reset.space, 0xff);
}

static void s0ix(void **state)
{
    (void)state;
    make("FACP", 244);
    put32(table + FADT_FLAGS, FADT_LOW_POWER_S0 | 5);
    assert_true(fadt(244).low_power_s0);
    assert_true(acpi_hide_s0ix(table, 244));
    assert_int_equal(get32(table + FADT_FLAGS), 5);
    assert_false(acpi_hide_s0ix(table, 244));
    assert_false(acpi_hide_s0ix(table, 100));
}

/* Both kinds of entries of one processor; nothing else changes. */
static void a_processor_is_disabled(void **state)
{
    u32 ids[4];
    u8 *entry;

    (void)state;
    make("APIC", 44 + 8 + 8 + 16 + 16);
    for (u32 i = 0; i < 2; i++) {
        entry = table + 44 + 8 * i;
        entry[1] = 8;
        entry[3] = (u8)i;
        put32(entry + 4, 1);
    }
    for (u32 i = 0; i < 2; i++) {
        entry = table + 60 + 16 * i;
        entry[0] = 9;
        entry[1] = 16;
        put32(entry + 4, i + 1);
        put32(entry + 8, 3);
    }
    assert_int_equal(acpi_parse_madt(table, 92, ids, 4), 3);
    acpi_disable_cpu(table, 92, 7);
    assert_int_equal(acpi_parse_madt(table, 92, ids, 4), 3);
    acpi_disable_cpu(table, 92, 1);
    assert_int_equal(acpi_parse_madt(table, 92, ids, 4), 2);
    assert_int_equal(get32(table + 60 + 4), ~0U);
    assert_int_equal(ids[0], 0);
    assert_int_equal(ids[1], 2);
    table[44 + 8 + 1] = 0; /* an entry without a length */
    acpi_disable_cpu(table, 92, 2);
    assert_int_equal(get32(table + 60 + 16 + 8), 3);
}

static void console_port(void **state)
{
    struct boot_uart uart;

    (void)state;
    make("SPCR", 80);
    gas(40, SPACE_IO, 0x2f8);
    assert_true(acpi_parse_spcr(table, 80, &uart));
    assert_int_equal(uart.base, 0x2f8);
    assert_int_equal(uart.kind, UART_PORT);
    assert_int_equal(uart.stride, 1);
    table[36] = 0x12;
    table[41] = 32;
    gas(40, SPACE_MEMORY, 0xfedc9000);
    assert_true(acpi_parse_spcr(table, 80, &uart));
    assert_int_equal(uart.kind, UART_MMIO);
    assert_int_equal(uart.stride, 4);
    table[43] = 1;
    assert_true(acpi_parse_spcr(table, 80, &uart));
    assert_int_equal(uart.stride, 1);
    table[36] = 3; /* an ARM PL011 */
    assert_false(acpi_parse_spcr(table, 80, &uart));
    table[36] = 0;
    gas(40, SPACE_PCI, 0x1000);
    assert_false(acpi_parse_spcr(table, 80, &uart));
    gas(40, SPACE_IO, 0x10000);
    assert_false(acpi_parse_spcr(table, 80, &uart));
    gas(40, SPACE_IO, 0);
    assert_false(acpi_parse_spcr(table, 80, &uart));
    assert_false(acpi_parse_spcr(table, 51, &uart));
}

static bool sleep_in(const char *aml, size_t size, char which, u8 *a, u8 *b)
{
    u8 *copy = calloc(1, ACPI_HEADER + size);

    memcpy(copy + ACPI_HEADER, aml, size);
    bool found = aml_sleep_type(copy, ACPI_HEADER + size, which, a, b);
    free(copy);
    return found;
}

#define SLEEP_IN(text, which) sleep_in(text, sizeof(text) - 1, which, &a, &b)

static void sleep_types(void **state)
{
    u8 a, b;

    (void)state;
    assert_true(SLEEP_IN("\x08_S5_\x12\x06\x04\x0a\x05\x0a\x06\x00\x00", '5'));
    assert_int_equal(a, 5);
    assert_int_equal(b, 6);
    assert_true(SLEEP_IN("\x08\\_S3_\x12\x06\x04\x01\x01\x00\x00", '3'));
    assert_int_equal(a, 1);
    assert_int_equal(b, 1);
    assert_true(SLEEP_IN("junk_S5_\x08_S5_\x12\x46\x00\x02\x0b\x07\x00\x00", '5'));
    assert_int_equal(a, 7);
    assert_int_equal(b, 0);
    assert_true(SLEEP_IN("\x08_S5_\x12\x03\x01\x0a\x05", '5')); /* one element stands for both */
    assert_int_equal(b, 5);
    assert_false(SLEEP_IN("\x08_S4_\x12\x06\x04\x01\x01\x00\x00", '5'));
    assert_true(SLEEP_IN("\x08_S4_\x12\x06\x04\x0a\x06\x0a\x04\x00\x00", '4'));
    assert_true(a == 6 && b == 4);
    assert_false(SLEEP_IN("_S5_\x12\x06\x04\x01\x01\x00\x00", '5')); /* a mention */
    assert_false(SLEEP_IN("\x08_S5_\x12\x06\x04"
                          "ABCD",
                          '5'));                                         /* names, not numbers */
    assert_false(SLEEP_IN("\x08_S5_\x11\x06\x04\x01\x01\x00\x00", '5')); /* a buffer */
    assert_false(SLEEP_IN("\x08_S5_\x12\x03\x00\x01\x01", '5'));
}

static void cut_sleep_types(void **state)
{
    static const char whole[] = "\x08_S5_\x12\x06\x04\x0a\x05\x0a\x06";
    u8 a, b;

    (void)state;
    for (size_t cut = 0; cut < sizeof whole - 1; cut++)
        assert_false(sleep_in(whole, cut, '5', &a, &b));
    assert_true(sleep_in(whole, sizeof whole - 1, '5', &a, &b));
}

static void hiding(void **state)
{
    static const char aml[] = "\x08_S3_\x12\x06\x04\x01\x01\x00\x00"
                              "\x14\x0a\\_S3_\x00\xa4\x12\x02"
                              "_S3_\x08_S5_\x12\x02\x01\x00\x08\\_S1_";
    size_t size = ACPI_HEADER + sizeof aml - 1;
    u8 a, b;

    (void)state;
    make("DSDT", (u32)size);
    memcpy(table + ACPI_HEADER, aml, sizeof aml - 1);
    assert_int_equal(aml_hide_sleep(table, size, '3'), 2);
    assert_int_equal(aml_hide_sleep(table, size, '3'), 0);
    assert_int_equal(aml_hide_sleep(table, size, '2'), 0);
    assert_int_equal(aml_hide_sleep(table, size, '1'), 1);
    assert_false(aml_sleep_type(table, size, '3', &a, &b));
    assert_true(aml_sleep_type(table, size, '5', &a, &b));
    assert_memory_equal(table + ACPI_HEADER + 1, "XS3_", 4);
    acpi_mend_checksum(table, size);
    assert_int_equal(checked_size(size, "DSDT"), size);
}

static size_t add_window(size_t at, u8 type, u64 base, u64 size)
{
    u8 window[46] = {QWORD_TAG, QWORD_LENGTH, 0, type};

    put64(window + MINIMUM, base);
    put64(window + LENGTH, size);
    return add(at, window, sizeof window);
}

static void bridges(void **state)
{
    size_t at = 0;

    (void)state;
    memset(table, 0x79, sizeof table);
    assert_int_equal(bridge_memory_top(table), 0);
    at = add_window(at, TYPE_MEMORY, 0x80000000, 0x40000000);
    at = add_window(at, 1, 0xffff00000000, 0x1000); /* ports */
    at = add_window(at, TYPE_MEMORY, GIB(64), GIB(16));
    at = add_window(at, TYPE_MEMORY, ~0ULL, GIB(16)); /* wraps */
    at = add_window(at, TYPE_MEMORY, GIB(900), 0);    /* unused */
    assert_int_equal(bridge_memory_top(table), GIB(80));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers),       cmocka_unit_test(rsdp),
        cmocka_unit_test(mcfg),          cmocka_unit_test(processors),
        cmocka_unit_test(hostile_madt),  cmocka_unit_test(fixed_table),
        cmocka_unit_test(reset_refused), cmocka_unit_test(s0ix),
        cmocka_unit_test(console_port),  cmocka_unit_test(a_processor_is_disabled),
        cmocka_unit_test(sleep_types),   cmocka_unit_test(cut_sleep_types),
        cmocka_unit_test(hiding),        cmocka_unit_test(bridges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
