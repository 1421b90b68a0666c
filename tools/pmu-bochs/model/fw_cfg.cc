/*
 * QEMU's firmware configuration device (QEMU, docs/specs/fw_cfg), as much as OVMF reads from it:
 * the CPU count, so that it need not wait for processors that are not there, and the ACPI tables.
 */
#include "machine.h"

#include "acpi.h"

namespace pmu
{

enum : uint16_t {
    SIGNATURE = 0,
    INTERFACE = 1,
    RAM_SIZE = 3,
    CPU_COUNT = 5,
    MOST_CPUS = 15,
    DIRECTORY = 0x19
};
enum : uint16_t { FIRST_FILE = 0x20 };
enum : uint32_t { SELECT_PORT = 0x510, DATA_PORT = 0x511, TRADITIONAL_INTERFACE = 1 };

static struct {
    std::vector<Bytes> files;
    Bytes directory;
    uint16_t selected;
    size_t position;
} device;

static Bytes big(uint64_t value, unsigned size)
{
    Bytes out = little(value, size);
    return Bytes(out.rbegin(), out.rend());
}

static void add_file(const char *name, const Bytes &content)
{
    Bytes field = text(name);
    field.resize(56);
    device.directory = device.directory + big(content.size(), 4) +
                       big(FIRST_FILE + device.files.size(), 2) + big(0, 2) + field;
    device.files.push_back(content);
}

static Bytes item(uint16_t key)
{
    switch (key) {
    case SIGNATURE:
        return text("QEMU");
    case INTERFACE:
        return little(TRADITIONAL_INTERFACE, 4);
    case RAM_SIZE:
        return little(BX_MEM(0)->get_memory_len(), 8);
    case CPU_COUNT:
    case MOST_CPUS:
        return little(BX_SMP_PROCESSORS, 2);
    case DIRECTORY:
        return big(device.files.size(), 4) + device.directory;
    default:
        return key >= FIRST_FILE && key < FIRST_FILE + device.files.size()
                   ? device.files[key - FIRST_FILE]
                   : Bytes{};
    }
}

static Bit32u read_data(void *, Bit32u, unsigned)
{
    static Bytes content;
    if (device.position == 0)
        content = item(device.selected);
    return device.position < content.size() ? content[device.position++] : 0;
}

static void write_select(void *, Bit32u, Bit32u value, unsigned)
{
    device.selected = (uint16_t)value;
    device.position = 0;
}

void install_fw_cfg(void)
{
    const unsigned ANY_SIZE = 7;
    if (!device.files.empty())
        return;
    AcpiFiles acpi = acpi_files(BX_SMP_PROCESSORS, BX_MEM(0)->get_memory_len());
    add_file("etc/acpi/rsdp", acpi.rsdp);
    add_file("etc/acpi/tables", acpi.tables);
    add_file("etc/table-loader", acpi.loader);
    DEV_register_iowrite_handler(NULL, write_select, SELECT_PORT, "firmware configuration",
                                 ANY_SIZE);
    DEV_register_ioread_handler(NULL, read_data, DATA_PORT, "firmware configuration", ANY_SIZE);
}

} // namespace pmu
