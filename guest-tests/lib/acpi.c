/* The few ACPI facts that tests need: processors (MADT), PM1, PM timer and reset register (FADT),
 * sleep types (DSDT, by looking for the package as firmware writes it). */
#include "machine.h"

enum {
    MADT_LAPIC = 0,
    MADT_X2APIC = 9,
    MADT_USABLE = 3, /* enabled or online-capable */
    MADT_ENTRIES = 44,
};

static u32 get32(u64 address)
{
    return *(const u32 __attribute__((aligned(1))) *)address;
}

static u64 get64(u64 address)
{
    return *(const u64 __attribute__((aligned(1))) *)address;
}

static bool guid_equal(const EFI_GUID *a, const EFI_GUID *b)
{
    return get64((u64)a) == get64((u64)b) && get64((u64)a + 8) == get64((u64)b + 8);
}

static u64 find_rsdp(EFI_SYSTEM_TABLE *firmware)
{
    static const EFI_GUID acpi20 = {
        0x8868e871, 0xe4f1, 0x11d3, {0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81}};
    for (UINTN i = 0; i < firmware->NumberOfTableEntries; i++) {
        if (guid_equal(&firmware->ConfigurationTable[i].VendorGuid, &acpi20)) {
            return (u64)firmware->ConfigurationTable[i].VendorTable;
        }
    }
    return 0;
}

static u64 find_table(u64 rsdp, const char *signature)
{
    u64 xsdt = rsdp ? get64(rsdp + 24) : 0;
    u64 end = xsdt ? xsdt + get32(xsdt + 4) : 0;
    for (u64 at = xsdt + 36; at + 8 <= end; at += 8) {
        if (get32(get64(at)) == get32((u64)signature)) {
            return get64(at);
        }
    }
    return 0;
}

u32 acpi_processors(u64 rsdp, u32 ids[], u32 capacity)
{
    u64 madt = find_table(rsdp, "APIC"), end = madt ? madt + get32(madt + 4) : 0;
    u32 count = 0;
    for (u64 at = madt + MADT_ENTRIES; at + 2 <= end && count < capacity; at += ((u8 *)at)[1]) {
        const u8 *entry = (const u8 *)at;
        if (!entry[1]) {
            break;
        }
        if (entry[0] == MADT_LAPIC && (get32(at + 4) & MADT_USABLE)) {
            ids[count++] = entry[3];
        } else if (entry[0] == MADT_X2APIC && (get32(at + 8) & MADT_USABLE)) {
            ids[count++] = get32(at + 4);
        }
    }
    return count;
}

/* \_Sx is NameOp "_Sx_" PackageOp PkgLength NumElements, then SLP_TYPa: a byte constant (0x0a n),
 * ZeroOp or OneOp (ACPI 20.2). */
static u8 sleep_type(u64 dsdt, const char *name)
{
    u64 end = dsdt ? dsdt + get32(dsdt + 4) : 0;
    for (u64 at = dsdt + 36; dsdt && at + 12 < end; at++) {
        const u8 *p = (const u8 *)at + 4;
        if (get32(at) == get32((u64)name) && p[0] == 0x12) {
            p += 2 + (p[1] >> 6) + 1;
            return p[0] == 0x0a ? p[1] : p[0];
        }
    }
    return 0xff;
}

void acpi_read(struct machine *m)
{
    m->rsdp = find_rsdp(m->firmware);
    u64 fadt = find_table(m->rsdp, "FACP");
    if (!fadt) {
        return;
    }
    u32 length = get32(fadt + 4);
    m->pm1a_event = (u16)get32(fadt + 56);
    m->pm1a_control = (u16)get32(fadt + 64);
    m->pm_timer = (u16)get32(fadt + 76);
    if (length >= 129 && get64(fadt + 120)) {
        m->reset_space = *(u8 *)(fadt + 116);
        m->reset_address = get64(fadt + 120);
        m->reset_value = *(u8 *)(fadt + 128);
    }
    u64 dsdt = length >= 148 && get64(fadt + 140) ? get64(fadt + 140) : get32(fadt + 40);
    m->s3_type = sleep_type(dsdt, "_S3_");
    m->s4_type = sleep_type(dsdt, "_S4_");
    m->s5_type = sleep_type(dsdt, "_S5_");
}
