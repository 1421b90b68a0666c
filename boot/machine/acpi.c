#include "machine/acpi.h"

#include "uefi/bytes.h"
#include "uefi/refuse.h"

static EFI_GUID acpi_20_guid = {
    0x8868e871, 0xe4f1, 0x11d3, {0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81}};
static EFI_GUID acpi_10_guid = {
    0xeb9d2d30, 0x2d88, 0x11d3, {0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}};

/* The RSDT or XSDT. */
struct root {
    const u8 *entries;
    unsigned entry_size;
    size_t count;
};

static u8 *at_physical(u64 address)
{
    return (u8 *)(UINTN)address;
}

static size_t table_size(const u8 *table, const char *signature)
{
    return table ? acpi_table_size(table, ACPI_TABLE_LIMIT, signature) : 0;
}

static bool find_root(struct root *root)
{
    const u8 *rsdp = config_table(&acpi_20_guid);
    const u8 *table;
    u64 address;
    size_t size;

    rsdp = rsdp ? rsdp : config_table(&acpi_10_guid);
    if (!rsdp || !acpi_parse_rsdp(rsdp, &address, &root->entry_size))
        return false;
    table = at_physical(address);
    size = table_size(table, root->entry_size == 8 ? "XSDT" : "RSDT");
    if (!size)
        return false;
    root->entries = table + ACPI_HEADER;
    root->count = (size - ACPI_HEADER) / root->entry_size;
    return true;
}

/* The table after number `*at` that has the signature, and its size; NULL at the end. */
static u8 *next_table(const struct root *root, const char *signature, size_t *at, size_t *size)
{
    while (*at < root->count) {
        const u8 *entry = root->entries + root->entry_size * (*at)++;
        u8 *table = at_physical(root->entry_size == 8 ? get64(entry) : get32(entry));
        *size = table_size(table, signature);
        if (*size)
            return table;
    }
    return NULL;
}

static u8 *first_table(const struct root *root, const char *signature, size_t *size)
{
    size_t at = 0;

    return next_table(root, signature, &at, size);
}

const u8 *acpi_next(size_t *at, size_t *size)
{
    struct root root;

    return find_root(&root) ? next_table(&root, "", at, size) : NULL;
}

static bool gather_cpus(const struct root *root, struct acpi *acpi)
{
    size_t size;
    const u8 *madt = first_table(root, "APIC", &size);

    if (!madt)
        return true;
    u32 room = (u32)(size / 8); /* the smallest entry of a processor */
    acpi->apic_ids = pool_alloc(room * sizeof acpi->apic_ids[0]);
    if (!acpi->apic_ids) {
        refuse("no memory for the processor list");
        return false;
    }
    acpi->cpu_count = acpi_parse_madt(madt, size, acpi->apic_ids, room);
    return true;
}

static void read_sleep(const u8 *aml, size_t size, struct boot_sleep *sleep)
{
    u8 a, b;

    if (!sleep->s5_known && aml_sleep_type(aml, size, '5', &a, &b)) {
        sleep->s5_typ_a = a;
        sleep->s5_typ_b = b;
        sleep->s5_known = 1;
    }
    if (sleep->s4_typ_a == 0xff && aml_sleep_type(aml, size, '4', &a, &b)) {
        sleep->s4_typ_a = a;
        sleep->s4_typ_b = b;
    }
    if (sleep->s3_typ == 0xff && aml_sleep_type(aml, size, '3', &a, &b))
        sleep->s3_typ = a;
}

static void gather_sleep(const struct root *root, struct acpi *acpi)
{
    const u8 *dsdt = at_physical(acpi->fadt.dsdt), *ssdt;
    size_t size = table_size(dsdt, "DSDT"), at = 0;

    acpi->sleep.pm1a_cnt = acpi->fadt.pm1a_cnt;
    acpi->sleep.pm1b_cnt = acpi->fadt.pm1b_cnt;
    if (size)
        read_sleep(dsdt, size, &acpi->sleep);
    while ((ssdt = next_table(root, "SSDT", &at, &size)))
        read_sleep(ssdt, size, &acpi->sleep);
}

bool acpi_gather(struct acpi *acpi)
{
    struct root root;
    const u8 *table;
    size_t size;

    *acpi = (struct acpi){.fadt.reset.space = 0xff,
                          .sleep = {.s3_typ = 0xff, .s4_typ_a = 0xff, .s4_typ_b = 0xff}};
    if (!find_root(&root))
        return true;
    acpi->present = true;
    if ((table = first_table(&root, "FACP", &size)))
        acpi_parse_fadt(table, size, &acpi->fadt);
    if ((table = first_table(&root, "MCFG", &size)))
        acpi->pci = acpi_parse_mcfg(table, size);
    if ((table = first_table(&root, "SPCR", &size)) && !acpi_parse_spcr(table, size, &acpi->uart))
        acpi->uart.kind = UART_NONE;
    gather_sleep(&root, acpi);
    return gather_cpus(&root, acpi);
}

void acpi_free(struct acpi *acpi)
{
    pool_free(acpi->apic_ids);
    acpi->apic_ids = NULL;
}

static unsigned hide_in(u8 *aml, size_t size)
{
    unsigned hidden = aml_hide_sleep(aml, size, '1') + aml_hide_sleep(aml, size, '2') +
                      aml_hide_sleep(aml, size, '3');

    if (hidden)
        acpi_mend_checksum(aml, size);
    return hidden;
}

unsigned acpi_hide_suspend(void)
{
    struct fadt fadt;
    struct root root;
    size_t size, at = 0;
    unsigned hidden = 0;
    u8 *table;

    if (!find_root(&root))
        return 0;
    if ((table = first_table(&root, "FACP", &size))) {
        acpi_parse_fadt(table, size, &fadt);
        if (acpi_hide_s0ix(table, size)) {
            acpi_mend_checksum(table, size);
            hidden++;
        }
        if ((table = at_physical(fadt.dsdt)) && (size = table_size(table, "DSDT")))
            hidden += hide_in(table, size);
    }
    while ((table = next_table(&root, "SSDT", &at, &size)))
        hidden += hide_in(table, size);
    return hidden;
}

void acpi_hide_cpu(u32 apic_id)
{
    struct root root;
    size_t size;
    u8 *madt;

    if (!find_root(&root) || !(madt = first_table(&root, "APIC", &size)))
        return;
    acpi_disable_cpu(madt, size, apic_id);
    acpi_mend_checksum(madt, size);
}
