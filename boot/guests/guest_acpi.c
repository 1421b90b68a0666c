#include "guests/guest_acpi.h"

#include "machine/acpi_tables.h"
#include "uefi/bytes.h"

#define LOCAL_APIC_ADDRESS 0xfee00000U

enum { RSDP_SIZE = 36, XSDT_SIZE = ACPI_HEADER + 2 * 8, FADT_SIZE = 276, MADT_HEADER = 44 };

/* Tables follow one another, each at a multiple of 16. */
struct builder {
    u8 *out;
    size_t used, room;
    u64 address;
};

static void copy(u8 *to, const void *from, size_t size)
{
    const u8 *bytes = from;

    while (size--)
        *to++ = *bytes++;
}

/* 5.2.6. NULL when room is out; its address in *address. */
static u8 *add_table(struct builder *b, const char *signature, u8 revision, size_t size,
                     u64 *address)
{
    u8 *table = b->out + b->used;

    if (size > b->room - b->used)
        return NULL;
    *address = b->address + b->used;
    b->used = MIN(ALIGN_UP(b->used + size, 16), b->room);
    copy(table, signature, 4);
    put32(table + 4, (u32)size);
    table[8] = revision;
    copy(table + 10, "CEDE  CEDE    ", 14);
    put32(table + 24, 1);
    copy(table + 28, "CEDE", 4);
    put32(table + 32, 1);
    return table;
}

/*  Name (\_S5, Package () { 5, 5 })
 *  Device (\_SB.COM1)
 *  {
 *      Name (_HID, EisaId ("PNP0501"))
 *      Name (_UID, 1)
 *      Name (_CRS, ResourceTemplate () { IO (Decode16, 0x3f8, 0x3f8, 1, 8) })
 *  }
 * Without an interrupt Linux polls; did it not find the port here, it would wait for IRQ 4. */
static const u8 s5_aml[] = {0x08, '_', 'S', '5', '_', 0x12, 0x06, 2, 0x0a, 5, 0x0a, 5};
static const u8 com1_aml[] = {
    0x5b, 0x82, 0x2d, 0x2e, '_',  'S',  'B',  '_',  'C', 'O',  'M', '1',  0x08, '_',  'H', 'I',
    'D',  0x0c, 0x41, 0xd0, 0x05, 0x01, 0x08, '_',  'U', 'I',  'D', 0x01, 0x08, '_',  'C', 'R',
    'S',  0x11, 0x0d, 0x0a, 0x0a, 0x47, 0x01, 0xf8, 3,   0xf8, 3,   1,    8,    0x79, 0};

static bool add_dsdt(struct builder *b, const struct guest_acpi *guest, u64 *address)
{
    size_t s5 = guest->power ? sizeof s5_aml : 0, com1 = guest->console ? sizeof com1_aml : 0;
    size_t size = ACPI_HEADER + s5 + com1;
    u8 *table = add_table(b, "DSDT", 2, size, address);

    if (!table)
        return false;
    copy(table + ACPI_HEADER, s5_aml, s5);
    copy(table + ACPI_HEADER + s5, com1_aml, com1);
    acpi_mend_checksum(table, size);
    return true;
}

/* A Generic Address Structure of one I/O port, 8 bits wide (5.2.3.2). */
static void put_port(u8 *gas, u16 port)
{
    gas[0] = 1;
    gas[1] = 8;
    gas[3] = 1;
    put64(gas + 4, port);
}

/* 5.2.9. IAPC_BOOT_ARCH: no VGA, no CMOS clock, and by 0 bits no 8042 and no ISA devices. */
static bool add_fadt(struct builder *b, const struct guest_acpi *guest, u64 dsdt, u64 *address)
{
    enum {
        IAPC_BOOT_ARCH = 109,
        FLAGS = 112,
        RESET = 116,
        RESET_VALUE = 128,
        MINOR = 131,
        X_DSDT = 140,
        SLEEP = 244,
        SLEEP_STATUS = 256
    };
    enum { NO_VGA = 1 << 2, NO_CMOS_RTC = 1 << 5 };
    enum {
        WBINVD = 1,
        NO_BUTTONS = 3 << 4,
        RESET_SUPPORTED = 1 << 10,
        FORCE_PHYSICAL_APIC = 1 << 19,
        HW_REDUCED = 1 << 20
    };
    u8 *table = add_table(b, "FACP", 6, FADT_SIZE, address);

    if (!table)
        return false;
    table[IAPC_BOOT_ARCH] = NO_VGA | NO_CMOS_RTC;
    put32(table + FLAGS, WBINVD | NO_BUTTONS | FORCE_PHYSICAL_APIC | HW_REDUCED |
                             (guest->power ? RESET_SUPPORTED : 0));
    table[MINOR] = 5;
    put64(table + X_DSDT, dsdt);
    if (guest->power) {
        put_port(table + RESET, GUEST_PORT_RESET);
        table[RESET_VALUE] = 1;
        put_port(table + SLEEP, GUEST_PORT_SLEEP);
        put_port(table + SLEEP_STATUS, GUEST_PORT_SLEEP_STATUS);
    }
    acpi_mend_checksum(table, FADT_SIZE);
    return true;
}

/* 5.2.12.12: an APIC ID below 255 stands in an entry of type 0, others in one of type 9. */
static size_t put_cpu(u8 *entry, u32 apic_id, u32 uid)
{
    bool small = apic_id < 255;

    if (entry) {
        entry[0] = small ? 0 : 9;
        entry[1] = small ? 8 : 16;
        entry[2] = small ? (u8)uid : 0;
        entry[3] = small ? (u8)apic_id : 0;
        put32(entry + 4, small ? 1 : apic_id);
        if (!small) {
            put32(entry + 8, 1);
            put32(entry + 12, uid);
        }
    }
    return small ? 8 : 16;
}

static bool add_madt(struct builder *b, const struct guest_acpi *guest, u64 *address)
{
    size_t size = MADT_HEADER, at = MADT_HEADER;

    for (u32 i = 0; i < guest->count; i++)
        size += put_cpu(NULL, guest->apic_ids[i], i);
    u8 *table = add_table(b, "APIC", 5, size, address);
    if (!table)
        return false;
    put32(table + ACPI_HEADER, LOCAL_APIC_ADDRESS);
    for (u32 i = 0; i < guest->count; i++)
        at += put_cpu(table + at, guest->apic_ids[i], i);
    acpi_mend_checksum(table, size);
    return true;
}

static bool add_xsdt(struct builder *b, u64 fadt, u64 madt, u64 *address)
{
    u8 *table = add_table(b, "XSDT", 1, XSDT_SIZE, address);

    if (!table)
        return false;
    put64(table + ACPI_HEADER, fadt);
    put64(table + ACPI_HEADER + 8, madt);
    acpi_mend_checksum(table, XSDT_SIZE);
    return true;
}

/* 5.2.5.3: one checksum over the first 20 bytes, one over all. */
static void put_rsdp(u8 *rsdp, u64 xsdt)
{
    copy(rsdp, "RSD PTR ", 8);
    copy(rsdp + 9, "CEDE  ", 6);
    rsdp[15] = 2;
    put32(rsdp + 20, RSDP_SIZE);
    put64(rsdp + 24, xsdt);
    rsdp[8] = acpi_checksum(rsdp, 20);
    rsdp[32] = acpi_checksum(rsdp, RSDP_SIZE);
}

size_t guest_acpi_build(u8 *out, size_t room, const struct guest_acpi *guest)
{
    struct builder b = {out, ALIGN_UP(RSDP_SIZE, 16), room, guest->address};
    u64 dsdt, fadt, madt, xsdt;

    if (room < b.used || !add_dsdt(&b, guest, &dsdt) || !add_fadt(&b, guest, dsdt, &fadt) ||
        !add_madt(&b, guest, &madt) || !add_xsdt(&b, fadt, madt, &xsdt))
        return 0;
    put_rsdp(out, xsdt);
    return b.used;
}
