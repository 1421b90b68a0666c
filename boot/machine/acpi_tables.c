#include "machine/acpi_tables.h"

#include "uefi/bytes.h"

enum { HEADER_LENGTH = 4, HEADER_CHECKSUM = 9 };
enum {
    SPACE_MEMORY = 0,
    SPACE_IO = 1,
    SPACE_PCI = 2
}; /* of a Generic Address Structure, 5.2.3.2 */
enum { GAS_SIZE = 12, GAS_SPACE = 0, GAS_WIDTH = 1, GAS_ACCESS = 3, GAS_ADDRESS = 4 };

static u8 sum(const u8 *at, size_t size)
{
    u8 total = 0;

    while (size--)
        total = (u8)(total + *at++);
    return total;
}

static bool matches(const u8 *at, const char *text)
{
    while (*text && *at == (u8)*text)
        at++, text++;
    return !*text;
}

size_t acpi_table_size(const u8 *table, size_t size, const char *signature)
{
    if (size < ACPI_HEADER || !matches(table, signature))
        return 0;
    u32 length = get32(table + HEADER_LENGTH);
    if (length < ACPI_HEADER || length > size || sum(table, length))
        return 0;
    return length;
}

/* 5.2.5.3: revision 2 adds the length, the XSDT and a checksum over all. */
bool acpi_parse_rsdp(const u8 *rsdp, u64 *root, unsigned *entry_size)
{
    enum { REVISION = 15, RSDT = 16, XSDT = 24, SIZE_1 = 20, SIZE_2 = 36 };

    if (!matches(rsdp, "RSD PTR ") || sum(rsdp, SIZE_1))
        return false;
    bool wide = rsdp[REVISION] >= 2 && !sum(rsdp, SIZE_2) && get64(rsdp + XSDT);
    *root = wide ? get64(rsdp + XSDT) : get32(rsdp + RSDT);
    *entry_size = wide ? 8 : 4;
    return *root != 0;
}

static bool is_listed(const u32 *ids, u32 count, u32 id)
{
    while (count--)
        if (ids[count] == id)
            return true;
    return false;
}

/* The APIC ID of a usable processor's entry. A type 0 entry with ID 0xff stands for no processor.
 */
static bool madt_cpu(const u8 *entry, u32 *apic_id)
{
    enum { LOCAL_APIC = 0, LOCAL_X2APIC = 9, USABLE = 3 /* enabled, online capable */ };

    if (entry[0] == LOCAL_APIC && entry[1] >= 8) {
        *apic_id = entry[3];
        return (get32(entry + 4) & USABLE) && *apic_id != 0xff;
    }
    if (entry[0] == LOCAL_X2APIC && entry[1] >= 16) {
        *apic_id = get32(entry + 4);
        return (get32(entry + 8) & USABLE) && *apic_id != ~0U;
    }
    return false;
}

u32 acpi_parse_madt(const u8 *madt, size_t size, u32 *apic_ids, u32 max)
{
    enum { ENTRIES = 44 };
    u32 count = 0, id;

    for (size_t at = ENTRIES; at + 2 <= size; at += madt[at + 1]) {
        if (madt[at + 1] < 2 || madt[at + 1] > size - at)
            break;
        if (!madt_cpu(madt + at, &id) || is_listed(apic_ids, MIN(count, max), id))
            continue;
        if (count < max)
            apic_ids[count] = id;
        count++;
    }
    return count;
}

/* An entry that is only disabled is a place for a processor to come, to some; one with the ID of
 * all processors is none (5.2.12.2). */
static void hide_cpu(u8 *entry)
{
    enum { LOCAL_APIC = 0, ID = 3, FLAGS = 4, X2APIC_ID = 4, X2APIC_FLAGS = 8 };

    if (entry[0] == LOCAL_APIC) {
        entry[ID] = 0xff;
        put32(entry + FLAGS, 0);
    } else {
        put32(entry + X2APIC_ID, ~0U);
        put32(entry + X2APIC_FLAGS, 0);
    }
}

void acpi_disable_cpu(u8 *madt, size_t size, u32 apic_id)
{
    enum { ENTRIES = 44 };
    u32 id;

    for (size_t at = ENTRIES; at + 2 <= size; at += madt[at + 1]) {
        if (madt[at + 1] < 2 || madt[at + 1] > size - at)
            break;
        if (madt_cpu(madt + at, &id) && id == apic_id)
            hide_cpu(madt + at);
    }
}

u64 acpi_parse_mcfg(const u8 *mcfg, size_t size)
{
    enum { ENTRIES = 44, ENTRY = 16, SEGMENT = 8, FIRST_BUS = 10 };

    for (size_t at = ENTRIES; at + ENTRY <= size; at += ENTRY)
        if (!get16(mcfg + at + SEGMENT) && !mcfg[at + FIRST_BUS])
            return get64(mcfg + at);
    return 0;
}

enum {
    FADT_DSDT = 40,
    FADT_PM1A_CNT = 64,
    FADT_PM1B_CNT = 68,
    FADT_PM_TMR = 76,
    FADT_FLAGS = 112,
    FADT_RESET = 116,
    FADT_RESET_VALUE = 128,
    FADT_X_DSDT = 140,
    FADT_X_PM1A_CNT = 172,
    FADT_X_PM1B_CNT = 184,
    FADT_X_PM_TMR = 208,
};

#define FADT_RESET_SUPPORTED BIT(10)
#define FADT_HW_REDUCED      BIT(20)
#define FADT_LOW_POWER_S0    BIT(21)

/* The extended field wins where the table is long enough to have one that is not zero (5.2.9). */
static u16 pm_port(const u8 *fadt, size_t size, unsigned legacy, unsigned extended, bool *memory)
{
    const u8 *gas = fadt + extended;

    if (size >= extended + GAS_SIZE && get64(gas + GAS_ADDRESS)) {
        if (gas[GAS_SPACE] == SPACE_IO)
            return get16(gas + GAS_ADDRESS);
        *memory = true;
        return 0;
    }
    return size >= legacy + 4 ? get16(fadt + legacy) : 0;
}

static struct boot_reset reset_register(const u8 *fadt, size_t size, u32 flags)
{
    const u8 *gas = fadt + FADT_RESET;

    if (size <= FADT_RESET_VALUE || !(flags & FADT_RESET_SUPPORTED) || !get64(gas + GAS_ADDRESS) ||
        gas[GAS_SPACE] > SPACE_PCI)
        return (struct boot_reset){.space = 0xff};
    return (struct boot_reset){get64(gas + GAS_ADDRESS), gas[GAS_SPACE], fadt[FADT_RESET_VALUE]};
}

void acpi_parse_fadt(const u8 *fadt, size_t size, struct fadt *out)
{
    u32 flags = size >= FADT_FLAGS + 4 ? get32(fadt + FADT_FLAGS) : 0;

    *out = (struct fadt){.reset = reset_register(fadt, size, flags)};
    out->pm1a_cnt = pm_port(fadt, size, FADT_PM1A_CNT, FADT_X_PM1A_CNT, &out->pm1_memory);
    out->pm1b_cnt = pm_port(fadt, size, FADT_PM1B_CNT, FADT_X_PM1B_CNT, &out->pm1_memory);
    out->pm_timer = pm_port(fadt, size, FADT_PM_TMR, FADT_X_PM_TMR, &(bool){false});
    if (size >= FADT_X_DSDT + 8)
        out->dsdt = get64(fadt + FADT_X_DSDT);
    if (!out->dsdt && size >= FADT_DSDT + 4)
        out->dsdt = get32(fadt + FADT_DSDT);
    out->hw_reduced = flags & FADT_HW_REDUCED;
    out->low_power_s0 = flags & FADT_LOW_POWER_S0;
}

bool acpi_parse_spcr(const u8 *spcr, size_t size, struct boot_uart *uart)
{
    enum { TYPE = 36, GAS = 40, FULL_16550 = 0, FULL_16450 = 1, GAS_16550 = 0x12 };
    const u8 *gas = spcr + GAS;

    if (size < GAS + GAS_SIZE || !get64(gas + GAS_ADDRESS))
        return false;
    if (spcr[TYPE] != FULL_16550 && spcr[TYPE] != FULL_16450 && spcr[TYPE] != GAS_16550)
        return false;
    if (gas[GAS_SPACE] != SPACE_IO && gas[GAS_SPACE] != SPACE_MEMORY)
        return false;
    /* Access size 3 is a doubleword; older tables leave it 0 and tell by the register's width. */
    bool wide = gas[GAS_SPACE] == SPACE_MEMORY &&
                (gas[GAS_ACCESS] == 3 || (gas[GAS_ACCESS] == 0 && gas[GAS_WIDTH] == 32));
    *uart = (struct boot_uart){.base = get64(gas + GAS_ADDRESS),
                               .kind = gas[GAS_SPACE] == SPACE_IO ? UART_PORT : UART_MMIO,
                               .stride = wide ? 4 : 1};
    return uart->kind != UART_PORT || uart->base <= 0xfff8;
}

/* AML encodings, ACPI 20.2. */
enum { AML_NAME = 0x08, AML_METHOD = 0x14, AML_PACKAGE = 0x12, AML_ROOT = '\\' };

static bool is_sleep_name(const u8 *at, char state)
{
    return at[0] == '_' && at[1] == 'S' && at[2] == (u8)state && at[3] == '_';
}

/* Whether the name segment at `at` is being defined by Name(), not merely mentioned. */
static bool named_here(const u8 *aml, size_t at)
{
    if (at >= 1 && aml[at - 1] == AML_ROOT)
        at--;
    return at >= 1 && aml[at - 1] == AML_NAME;
}

/* The same for Method(), whose name follows a PkgLength of 1 to 4 bytes. */
static bool method_here(const u8 *aml, size_t at)
{
    if (at >= 1 && aml[at - 1] == AML_ROOT)
        at--;
    for (size_t bytes = 1; bytes <= 4 && at > bytes; bytes++)
        if (aml[at - bytes - 1] == AML_METHOD && aml[at - bytes] >> 6 == bytes - 1)
            return true;
    return false;
}

/* A constant integer; returns the bytes it takes, 0 if it is something else. */
static size_t aml_integer(const u8 *at, size_t size, u8 *value)
{
    static const struct {
        u8 opcode, bytes;
    } forms[] = {{0x00, 1}, {0x01, 1}, {0xff, 1}, {0x0a, 2}, {0x0b, 3}, {0x0c, 5}, {0x0e, 9}};

    for (unsigned i = 0; size && i < COUNT(forms); i++) {
        if (*at != forms[i].opcode || size < forms[i].bytes)
            continue;
        *value = forms[i].bytes > 1 ? at[1] : *at;
        return forms[i].bytes;
    }
    return 0;
}

/* PackageOp PkgLength NumElements, then SLP_TYPa and SLP_TYPb (7.4.2). */
static bool sleep_package(const u8 *at, size_t size, u8 *typ_a, u8 *typ_b)
{
    if (size < 2 || at[0] != AML_PACKAGE)
        return false;
    size_t skip = 2 + (at[1] >> 6); /* opcode, PkgLength */
    if (size <= skip || at[skip] < 1)
        return false;

    unsigned elements = at[skip++];
    size_t used = aml_integer(at + skip, size - skip, typ_a);
    if (!used)
        return false;
    *typ_b = *typ_a;
    if (elements > 1 && !aml_integer(at + skip + used, size - skip - used, typ_b))
        return false;
    *typ_a &= 7;
    *typ_b &= 7;
    return true;
}

bool aml_sleep_type(const u8 *aml, size_t size, char state, u8 *typ_a, u8 *typ_b)
{
    for (size_t at = ACPI_HEADER; at + 4 <= size; at++)
        if (is_sleep_name(aml + at, state) && named_here(aml, at) &&
            sleep_package(aml + at + 4, size - at - 4, typ_a, typ_b))
            return true;
    return false;
}

unsigned aml_hide_sleep(u8 *aml, size_t size, char state)
{
    unsigned hidden = 0;

    for (size_t at = ACPI_HEADER; at + 4 <= size; at++) {
        if (!is_sleep_name(aml + at, state) || (!named_here(aml, at) && !method_here(aml, at)))
            continue;
        aml[at] = 'X'; /* as long as before, and a legal name */
        hidden++;
    }
    return hidden;
}

bool acpi_hide_s0ix(u8 *fadt, size_t size)
{
    if (size < FADT_FLAGS + 4 || !(get32(fadt + FADT_FLAGS) & FADT_LOW_POWER_S0))
        return false;
    put32(fadt + FADT_FLAGS, get32(fadt + FADT_FLAGS) & (u32)~FADT_LOW_POWER_S0);
    return true;
}

u8 acpi_checksum(const u8 *at, size_t size)
{
    return (u8)-sum(at, size);
}

void acpi_mend_checksum(u8 *table, size_t size)
{
    table[HEADER_CHECKSUM] = (u8)(table[HEADER_CHECKSUM] - sum(table, size));
}
