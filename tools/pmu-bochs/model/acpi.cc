#include "acpi.h"

#include <cstring>

namespace pmu
{

static const char RSDP_FILE[] = "etc/acpi/rsdp";
static const char TABLES_FILE[] = "etc/acpi/tables";

/* Where OVMF puts the PIIX4's power management block. */
enum : uint32_t { PM_BASE = 0xb000, SCI = 9, LOCAL_APIC = 0xfee00000, IO_APIC = 0xfec00000 };

/* One 128-byte entry of the loader's script: a type, and arguments padded with zeros. */
static Bytes command(uint32_t type, const Bytes &arguments)
{
    Bytes entry = little(type, 4) + arguments;
    entry.resize(128);
    return entry;
}

static Bytes file_name(const char *name)
{
    Bytes field = text(name);
    field.resize(56);
    return field;
}

static Bytes allocate(const char *file, uint32_t align, bool low_bios_area)
{
    return command(1, file_name(file) + little(align, 4) + Bytes{(uint8_t)(low_bios_area ? 2 : 1)});
}

static Bytes add_pointer(const char *in, const char *to, uint32_t offset)
{
    return command(2, file_name(in) + file_name(to) + little(offset, 4) + Bytes{4});
}

static Bytes add_checksum(const char *file, uint32_t at, uint32_t start, uint32_t length)
{
    return command(3, file_name(file) + little(at, 4) + little(start, 4) + little(length, 4));
}

/* ACPI 5.2.6, system description table header; the loader fills in the checksum. */
static Bytes table(const char *signature, uint8_t revision, const Bytes &body)
{
    return text(signature) + little(36 + body.size(), 4) + Bytes{revision, 0} + text("CEDE  ") +
           text("PMUBOCHS") + little(1, 4) + text("CEDE") + little(1, 4) + body;
}

/* ACPI 6.4.3.5: an address space descriptor whose range is fixed. */
static Bytes range(uint8_t tag, uint8_t type, uint8_t flags, uint64_t first, uint64_t last,
                   unsigned size)
{
    Bytes fields = little(0, size) + little(first, size) + little(last, size) + little(0, size) +
                   little(last - first + 1, size);
    return Bytes{tag} + little(3 + fields.size(), 2) + Bytes{type, 0x0c, flags} + fields;
}

static Bytes pci_resources(uint64_t memory)
{
    const uint64_t TWO_GIB = 0x80000000, HOLE = 0xc0000000;
    uint64_t first = memory <= TWO_GIB ? TWO_GIB : HOLE;
    Bytes configuration_ports = {0x47, 0x01, 0xf8, 0x0c, 0xf8, 0x0c, 0x01, 0x08};
    return range(0x88, 2, 0, 0, 0xff, 2) + range(0x88, 1, 3, 0, 0xcf7, 2) + configuration_ports +
           range(0x88, 1, 3, 0xd00, 0xffff, 2) + range(0x87, 0, 3, 0xa0000, 0xbffff, 4) +
           range(0x87, 0, 3, first, 0xfebfffff, 4) + Bytes{0x79, 0};
}

/* \_S5 for power-off (Bochs' PIIX4 takes sleep type 0), and the PCI root. */
static Bytes dsdt(uint64_t memory)
{
    const uint32_t PNP0A03 = 0x030ad041;
    Bytes zero = {0x00};
    Bytes sleep = aml_package(4, zero + zero + zero + zero);
    Bytes root = aml_name("_HID", aml_dword(PNP0A03)) + aml_name("_UID", zero) +
                 aml_name("_ADR", zero) + aml_name("_BBN", zero) +
                 aml_name("_CRS", aml_buffer(pci_resources(memory)));
    return table("DSDT", 2, aml_name("_S5_", sleep) + aml_scope("_SB_", aml_device("PCI0", root)));
}

/* ACPI 5.2.10 */
static Bytes facs(void)
{
    Bytes body = text("FACS") + little(64, 4);
    body.resize(64);
    body[32] = 1;
    return body;
}

/* ACPI 5.2.9, revision 3. `Fixed` says what offset each field is for. */
static Bytes fadt(void)
{
    Bytes t = table("FACP", 3, Bytes(244 - 36));
    auto put = [&](unsigned offset, uint64_t value, unsigned size) {
        Bytes bytes = little(value, size);
        memcpy(&t[offset], bytes.data(), size);
    };
    put(46, SCI, 2);
    put(56, PM_BASE, 4);     /* PM1a_EVT_BLK */
    put(64, PM_BASE + 4, 4); /* PM1a_CNT_BLK */
    put(76, PM_BASE + 8, 4); /* PM_TMR_BLK */
    put(88, 4, 1);
    put(89, 2, 1);
    put(91, 4, 1);
    put(96, 0xfff, 2); /* no C2 */
    put(98, 0xfff, 2); /* no C3 */
    put(109, 3, 2);    /* legacy devices, keyboard controller */
    put(112, 1 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 10,
        4);         /* WBINVD, C1, no fixed buttons, reset register */
    put(116, 1, 1); /* RESET_REG: I/O space, 8 bits, port cf9 */
    put(117, 8, 1);
    put(120, 0xcf9, 8);
    put(128, 6, 1);
    return t;
}

/* ACPI 5.2.12: processors, the I/O APIC, the timer on its pin 2, NMI on LINT1. */
static Bytes madt(unsigned processors)
{
    Bytes body = little(LOCAL_APIC, 4) + little(1, 4);
    for (unsigned k = 0; k < processors; k++)
        body = body + Bytes{0, 8, (uint8_t)k, (uint8_t)k} + little(1, 4);
    body = body + Bytes{1, 12, (uint8_t)processors, 0} + little(IO_APIC, 4) + little(0, 4);
    body = body + Bytes{2, 10, 0, 0} + little(2, 4) + little(0, 2);
    body = body + Bytes{2, 10, 0, SCI} + little(SCI, 4) + little(0x0d, 2); /* level, active high */
    return table("APIC", 3, body + Bytes{4, 6, 0xff, 0, 0, 1});
}

AcpiFiles acpi_files(unsigned processors, uint64_t memory)
{
    AcpiFiles files;
    files.loader = allocate(RSDP_FILE, 16, true) + allocate(TABLES_FILE, 64, false);

    auto place = [&](const Bytes &bytes) {
        uint32_t offset = (uint32_t)files.tables.size();
        files.tables = files.tables + bytes;
        return offset;
    };
    auto points = [&](uint32_t at,
                      uint32_t to) { /* a pointer field holds the offset until it is linked */
                                     Bytes bytes = little(to, 4);
                                     memcpy(&files.tables[at], bytes.data(), 4);
                                     files.loader =
                                         files.loader + add_pointer(TABLES_FILE, TABLES_FILE, at);
    };
    auto sums = [&](uint32_t start) {
        uint32_t length;
        memcpy(&length, &files.tables[start + 4], 4);
        files.loader = files.loader + add_checksum(TABLES_FILE, start + 9, start, length);
    };

    uint32_t facs_at = place(facs());
    uint32_t dsdt_at = place(dsdt(memory));
    uint32_t fadt_at = place(fadt());
    uint32_t madt_at = place(madt(processors));
    uint32_t rsdt_at = place(table("RSDT", 1, Bytes(8)));
    points(fadt_at + 36, facs_at);
    points(fadt_at + 40, dsdt_at);
    points(rsdt_at + 36, fadt_at);
    points(rsdt_at + 40, madt_at);
    for (uint32_t start : {dsdt_at, fadt_at, madt_at, rsdt_at})
        sums(start);

    files.rsdp = text("RSD PTR ") + Bytes{0} + text("CEDE  ") + Bytes{0} + little(rsdt_at, 4);
    files.loader =
        files.loader + add_pointer(RSDP_FILE, TABLES_FILE, 16) + add_checksum(RSDP_FILE, 8, 0, 20);
    return files;
}

} // namespace pmu
