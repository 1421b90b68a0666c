/* Reads the tables back with this loader's own parsers, and with ACPICA's compiler (iasl). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "machine/acpi_tables.c"
#include "guests/guest_acpi.c"

#define ADDRESS 0xe0000ULL

static const u32 ids[] = {4, 5, 254, 255, 4096};
static const struct guest_acpi full = {ADDRESS, ids, COUNT(ids), true, true};
static u8 *memory;
static size_t used;

static void build(const struct guest_acpi *guest)
{
    memset(memory, 0, 4096);
    used = guest_acpi_build(memory, 4096, guest);
    assert_in_range(used, 1, 4096);
}

static const u8 *at(u64 address)
{
    assert_in_range(address, ADDRESS, ADDRESS + used - 1);
    return memory + (address - ADDRESS);
}

/* Well-formed, with the checksum right. */
static const u8 *find(const char *signature, size_t *size)
{
    unsigned entry_size;
    u64 root;

    assert_true(acpi_parse_rsdp(memory, &root, &entry_size));
    assert_int_equal(entry_size, 8);
    *size = acpi_table_size(at(root), 4096, "XSDT");
    assert_int_equal(*size, 36 + 2 * 8);
    for (size_t i = 36; i < *size; i += 8) {
        const u8 *table = at(get64(at(root) + i));
        size_t length = acpi_table_size(table, 4096, signature);
        if (length) {
            *size = length;
            return table;
        }
    }
    fail_msg("no %s", signature);
    return NULL;
}

static const u8 *dsdt(size_t *size)
{
    struct fadt fadt;
    const u8 *facp = find("FACP", size);

    acpi_parse_fadt(facp, *size, &fadt);
    *size = acpi_table_size(at(fadt.dsdt), 4096, "DSDT");
    assert_true(*size >= 36);
    return at(fadt.dsdt);
}

static void processors(void **state)
{
    u32 found[8];
    size_t size;

    (void)state;
    build(&full);
    const u8 *madt = find("APIC", &size);
    assert_int_equal(size, 44 + 3 * 8 + 2 * 16);
    assert_int_equal(acpi_parse_madt(madt, size, found, COUNT(found)), COUNT(ids));
    assert_memory_equal(found, ids, sizeof ids);
    assert_int_equal(get32(madt + 40), 0); /* no 8259 (PCAT_COMPAT) */
}

static void fixed_features(void **state)
{
    struct guest_acpi bare = full;
    struct fadt fadt;
    size_t size;

    (void)state;
    build(&full);
    const u8 *table = find("FACP", &size);
    acpi_parse_fadt(table, size, &fadt);
    assert_true(fadt.hw_reduced);
    assert_false(fadt.low_power_s0);
    assert_int_equal(fadt.pm1a_cnt, 0);
    assert_int_equal(fadt.pm_timer, 0);
    assert_int_equal(fadt.reset.space, 1);
    assert_int_equal(fadt.reset.address, GUEST_PORT_RESET);
    assert_int_equal(fadt.reset.value, 1);
    assert_int_equal(get32(table + 112), 1 | 0x30 | BIT(10) | BIT(19) | BIT(20));
    bare.power = bare.console = false;
    build(&bare);
    table = find("FACP", &size);
    acpi_parse_fadt(table, size, &fadt);
    assert_int_equal(fadt.reset.space, 0xff);
    dsdt(&size);
    assert_int_equal(size, 36);
}

static void room(void **state)
{
    (void)state;
    build(&full);
    for (size_t room = 0; room <= used; room++) {
        u8 *exact = calloc(room + 1, 1);
        size_t got = guest_acpi_build(exact, room, &full);
        assert_true(got <= room);
        assert_true(got == 0 || room + 15 >= used);
        free(exact);
    }
}

static void save(const char *name, const u8 *bytes, size_t size)
{
    FILE *file = fopen(name, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

/* iasl's output, all of it. */
static const char *run(const char *command)
{
    static char text[65536];
    FILE *pipe = popen(command, "r");

    assert_non_null(pipe);
    text[fread(text, 1, sizeof text - 1, pipe)] = 0;
    assert_int_equal(pclose(pipe), 0);
    return text;
}

static const char source[] =
    "DefinitionBlock (\"ref.aml\", \"DSDT\", 2, \"CEDE\", \"CEDE\", 1)\n"
    "{ Name (\\_S5, Package () { 5, 5 })\n"
    "  Device (\\_SB.COM1) { Name (_HID, EisaId (\"PNP0501\")) Name (_UID, 1)\n"
    "    Name (_CRS, ResourceTemplate () { IO (Decode16, 0x3f8, 0x3f8, 1, 8) }) } }\n";

static void in_a_folder(char folder[32])
{
    strcpy(folder, "/tmp/guest_acpi.XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
}

static void away(const char *folder)
{
    char command[64];

    assert_int_equal(chdir("/"), 0);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

/* The AML is what a compiler makes of the source in the comment. */
static void compiled(void **state)
{
    char folder[32];
    u8 aml[256];
    size_t size;

    (void)state;
    in_a_folder(folder);
    save("ref.asl", (const u8 *)source, sizeof source - 1);
    run("iasl ref.asl 2>&1");
    FILE *file = fopen("ref.aml", "rb");
    assert_non_null(file);
    size_t length = fread(aml, 1, sizeof aml, file);
    fclose(file);
    build(&full);
    const u8 *table = dsdt(&size);
    assert_int_equal(size, length);
    assert_memory_equal(table + 36, aml + 36, size - 36);
    away(folder);
}

static void disassembled(const u8 *table, size_t size, const char *const *words)
{
    save("table.dat", table, size);
    run("iasl -d table.dat 2>&1");
    const char *text = run("cat table.dsl");
    for (; *words; words++)
        if (!strstr(text, *words))
            fail_msg("no '%s' in:\n%s", *words, text);
    assert_null(strstr(text, "rror"));
    assert_null(strstr(text, "nknown"));
    assert_null(strstr(text, "nvalid"));
}

static void read_by_acpica(void **state)
{
    static const char *const facp[] = {"Hardware Reduced (V5) : 1",
                                       "Use APIC Physical Destination Mode (V4) : 1",
                                       "VGA Not Present (V4) : 1",
                                       "CMOS RTC Not Present (V5) : 1",
                                       "8042 Present on ports 60/64 (V2) : 0",
                                       NULL};
    static const char *const apic[] = {"Local Apic ID : FE", "Processor x2Apic ID : 00001000",
                                       NULL};
    static const char *const code[] = {"PNP0501", "0x03F8", "Package (0x02)", NULL};
    char folder[32];
    size_t size;

    (void)state;
    in_a_folder(folder);
    build(&full);
    const u8 *table = find("FACP", &size);
    disassembled(table, size, facp);
    table = find("APIC", &size);
    disassembled(table, size, apic);
    table = dsdt(&size);
    disassembled(table, size, code);
    away(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processors), cmocka_unit_test(fixed_features), cmocka_unit_test(room),
        cmocka_unit_test(compiled),   cmocka_unit_test(read_by_acpica),
    };

    memory = malloc(4096);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(memory);
    return failed;
}
