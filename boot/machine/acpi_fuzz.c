/* Firmware's tables in any shape. The first byte chooses the parser, the rest is the table. */
#include <stdlib.h>
#include <string.h>

#include "machine/acpi_tables.c"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct boot_uart uart;
    struct fadt fadt;
    u32 ids[16];
    u8 a, b;

    if (size < 1 + ACPI_HEADER)
        return 0;
    u8 *table = malloc(--size);
    memcpy(table, data + 1, size);
    acpi_table_size(table, size, "APIC");
    acpi_parse_mcfg(table, size);
    switch (data[0] % 5) {
    case 0:
        acpi_parse_madt(table, size, ids, COUNT(ids));
        break;
    case 1:
        acpi_parse_fadt(table, size, &fadt);
        acpi_hide_s0ix(table, size);
        break;
    case 2:
        acpi_parse_spcr(table, size, &uart);
        break;
    case 3:
        if (aml_sleep_type(table, size, '5', &a, &b) && (a > 7 || b > 7))
            abort();
        break;
    default:
        aml_hide_sleep(table, size, '3');
        if (aml_hide_sleep(table, size, '3'))
            abort();
    }
    free(table);
    return 0;
}
