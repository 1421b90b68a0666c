#include "selftest/evidence.h"

#include "machine/acpi.h"
#include "machine/cpu_ops.h"
#include "machine/memory.h"
#include "selftest/iommu.h"
#include "selftest/mapped.h"
#include "selftest/report.h"
#include "selftest/smbios.h"
#include "uefi/bytes.h"
#include "uefi/text.h"
#include "uefi/version.h"

#define MSR_MICROCODE 0x8b
#define CR4_LA57      BIT(12)

static bool is_virtual(void)
{
    return cpuid_value(1, 0, CPUID_ECX) & BIT(31);
}

/* 12 or 48 characters of a leaf's registers. */
static const char *characters(u32 leaf, u32 leaves)
{
    static u32 text[13];

    __builtin_memset(text, 0, sizeof text);
    for (u32 i = 0; i < leaves; i++)
        real_cpu.cpuid(leaf + i, 0, &text[4 * i]);
    return (const char *)text;
}

static const char *vendor_at(u32 leaf, u32 first, u32 second, u32 third)
{
    static u32 text[4];
    u32 out[4];

    real_cpu.cpuid(leaf, 0, out);
    text[0] = out[first];
    text[1] = out[second];
    text[2] = out[third];
    return (const char *)text;
}

/* Intel's is read by a ceremony: zero, CPUID 1, read (SDM 11.11.7.1). Hypervisors may fault. */
static u64 microcode(void)
{
    u64 value;

    if (is_amd())
        return real_cpu.rdmsr(MSR_MICROCODE);
    __asm__ volatile("wrmsr" ::"c"(MSR_MICROCODE), "a"(0), "d"(0));
    cpuid_value(1, 0, CPUID_EAX);
    value = real_cpu.rdmsr(MSR_MICROCODE);
    return value >> 32;
}

static void processor(void)
{
    u32 eax = cpuid_value(1, 0, CPUID_EAX), base = (u32)FIELD(eax, 11, 8);
    u32 high = base >= 6 ? (u32)FIELD(eax, 19, 16) << 4 : 0;

    report_fact("processor.vendor", "%s", vendor_at(0, CPUID_EBX, CPUID_EDX, CPUID_ECX));
    if (cpuid_value(0x80000002, 0, CPUID_EAX))
        report_fact("processor.brand", "%s", characters(0x80000002, 3));
    report_fact("processor.family", "0x%x", base == 0xf ? base + (u32)FIELD(eax, 27, 20) : base);
    report_fact("processor.model", "0x%x", (u32)FIELD(eax, 7, 4) | high);
    report_fact("processor.stepping", "%u", eax & 0xf);
    if (is_virtual()) {
        report_fact("processor.microcode", "not read: a hypervisor is below");
        report_fact("processor.hypervisor", "%s",
                    vendor_at(0x40000000, CPUID_EBX, CPUID_ECX, CPUID_EDX));
    } else {
        report_fact("processor.microcode", "0x%lx", microcode());
        report_fact("processor.hypervisor", "none");
    }
}

static void firmware(void)
{
    u8 secure = 0;

    global_variable(L"SecureBoot", &secure, 1);
    report_fact("firmware.vendor", "%ls", ST->FirmwareVendor);
    report_fact("firmware.revision", "0x%08x", ST->FirmwareRevision);
    report_fact("firmware.uefi", "%u.%u", ST->Hdr.Revision >> 16, (ST->Hdr.Revision & 0xffff) / 10);
    report_fact("firmware.secure-boot", secure ? "on" : "off");
}

static void say_fact(const char *name, const char *text)
{
    report_fact(name, "%s", text);
}

static void board(void)
{
    static const EFI_GUID three = {
        0xf2fd1544, 0x9794, 0x4a2c, {0x99, 0x2e, 0xe5, 0xbb, 0xcf, 0x20, 0xe3, 0x94}};
    static const EFI_GUID two = {
        0xeb9d2d31, 0x2d88, 0x11d3, {0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}};
    const u8 *entry = config_table(&three);
    u64 table;
    u32 size;

    entry = entry ? entry : config_table(&two);
    if (entry && smbios_entry(entry, 31, &table, &size))
        smbios_facts((const u8 *)(UINTN)table, size, say_fact);
}

static void memory(void)
{
    static struct memory survey;

    if (EFI_ERROR(memory_survey(&survey)))
        return;
    report_fact("memory.for-an-os", "%lu MiB", survey.total >> 20);
    report_fact("memory.end", "0x%lx", survey.ram_top);
    report_fact("memory.ranges", "%u", survey.ranges);
    report_fact("memory.reserved", "%lu KiB", survey.of_type[EfiReservedMemoryType] >> 10);
    report_fact("memory.runtime", "%lu KiB",
                (survey.of_type[EfiRuntimeServicesCode] + survey.of_type[EfiRuntimeServicesData]) >>
                    10);
}

/* "acpi.SSDT.3": of several the number is part of the name. */
static void acpi_fact(const u8 *table, u32 number)
{
    char name[24], oem[7] = "", model[9] = "";

    __builtin_memcpy(oem, table + 10, 6);
    __builtin_memcpy(model, table + 16, 8);
    text_print(name, sizeof name, number > 1 ? "acpi.%c%c%c%c.%u" : "acpi.%c%c%c%c", table[0],
               table[1], table[2], table[3], number);
    report_fact(name, "OEM %s, table %s, revision 0x%x, %u bytes", oem, model, get32(table + 24),
                get32(table + 4));
}

/* Firmware's page tables are in force. */
static bool read_mapped(u64 address, u32 *value)
{
    u64 root, features;

    __asm__ volatile("mov %%cr3, %0; mov %%cr4, %1" : "=r"(root), "=r"(features));
    if (!is_mapped(root, features & CR4_LA57 ? 5 : 4, address))
        return false;
    *value = *(volatile u32 *)(UINTN)address;
    return true;
}

static void acpi(void)
{
    const u8 *table, *before;
    size_t at = 0, size;
    const char *iommu = "none";

    while ((table = acpi_next(&at, &size))) {
        u32 number = 1;

        for (size_t i = 0; i + 1 < at && (before = acpi_next(&i, &size)) && before != table;)
            number += get32(before) == get32(table);
        acpi_fact(table, number);
        iommu_facts(table, get32(table + 4), read_mapped, say_fact);
        if (!__builtin_memcmp(table, "DMAR", 4) || !__builtin_memcmp(table, "IVRS", 4))
            iommu = table[0] == 'D' ? "DMAR" : "IVRS";
    }
    report_fact("iommu", "%s", iommu);
}

void evidence(void)
{
    report_fact("cede", "%s", version_text());
    processor();
    firmware();
    board();
    memory();
    acpi();
}
