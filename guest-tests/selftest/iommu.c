#include "selftest/iommu.h"

#include "selftest/buffer.h"
#include "uefi/bytes.h"
#include "uefi/text.h"

/* Both tables: a header, 12 bytes of their own, then structures whose length is at 2. */
enum { OWN = 36, STRUCTURES = 48, HEADER = 4, UNITS_SHOWN = 64 };

/* Kinds of structures, of which the first is a unit. */
struct kind {
    u8 first, last; /* types */
    const char *name;
};

struct iommu_register {
    const char *name;
    u32 offset;
    bool wide; /* 64 bits, which may be read as two halves */
};

struct vendor {
    char signature[5];
    const char *name;
    u8 type_bytes;                  /* of a structure's type */
    u8 flags, segment, base, least; /* offsets in a unit, and its least length */
    struct kind kinds[6];           /* up to one without a name */
    struct iommu_register registers[4];
};

/* VT-d 8.3 and 8.4 ff., 11.4; AMD 5.2.2.1 ff. (IVHD 10h, 11h, 40h; IVMD), 3.4. */
static const struct vendor vendors[] = {
    {"DMAR",
     "iommu.dmar",
     2,
     4,
     6,
     8,
     16,
     {{0, 0, "units"}, {1, 1, "RMRR"}, {2, 2, "ATSR"}, {3, 3, "RHSA"}, {4, 4, "ANDD"}},
     {{"version", 0, false},
      {"capability", 8, true},
      {"extended capability", 0x10, true},
      {"status", 0x1c, false}}},
    {"IVRS",
     "iommu.ivrs",
     1,
     1,
     16,
     8,
     24,
     {{0x10, 0x11, "units"}, {0x40, 0x40, "units again"}, {0x20, 0x22, "IVMD"}},
     {{"control", 0x18, true}, {"extended features", 0x30, true}}},
};

static const struct vendor *vendor_of(const u8 *table, size_t size)
{
    for (u32 i = 0; i < COUNT(vendors); i++)
        if (size >= STRUCTURES && !__builtin_memcmp(table, vendors[i].signature, 4))
            return &vendors[i];
    return NULL;
}

static u32 type_of(const struct vendor *vendor, const u8 *at)
{
    return vendor->type_bytes == 1 ? at[0] : get16(at);
}

static bool is_kind(const struct vendor *vendor, u32 kind, const u8 *at)
{
    u32 type = type_of(vendor, at);

    return type >= vendor->kinds[kind].first && type <= vendor->kinds[kind].last;
}

/* The next structure from `*at` on, which is moved behind it; NULL at the end, or where a length
 * cannot be. */
static const u8 *next(const u8 *table, size_t size, size_t *at)
{
    const u8 *here = table + *at;
    size_t length = size - *at < HEADER ? 0 : get16(here + 2);

    if (length < HEADER || length > size - *at)
        return NULL;
    *at += length;
    return here;
}

/* --- a unit -------------------------------------------------------------------------------------
 */
static bool read_register(const struct iommu_register *r, u64 base, iommu_read *read, u64 *value)
{
    u32 low, high = 0;

    if (!read(base + r->offset, &low) || (r->wide && !read(base + r->offset + 4, &high)))
        return false;
    *value = low | (u64)high << 32;
    return true;
}

static void add_registers(struct buffer *text, const struct vendor *vendor, u64 base,
                          iommu_read *read)
{
    for (u32 i = 0; i < COUNT(vendor->registers) && vendor->registers[i].name; i++) {
        const struct iommu_register *r = &vendor->registers[i];
        u64 value;

        if (read_register(r, base, read, &value))
            buffer_print(text, ", %s 0x%lx", r->name, value);
        else
            buffer_print(text, ", %s not mapped", r->name);
    }
}

static void unit(const struct vendor *vendor, const u8 *at, u32 number, iommu_read *read,
                 void (*fact)(const char *, const char *))
{
    char name[24], value[240];
    struct buffer text;
    u64 base = get64(at + vendor->base);

    text_print(name, sizeof name, "iommu.unit.%u", number);
    buffer_init(&text, value, sizeof value);
    buffer_print(&text, "base 0x%lx, segment %u, flags 0x%x", base, get16(at + vendor->segment),
                 at[vendor->flags]);
    add_registers(&text, vendor, base, read);
    fact(name, value);
}

/* --- the table ----------------------------------------------------------------------------------
 */
static void units(const struct vendor *vendor, const u8 *table, size_t size, iommu_read *read,
                  void (*fact)(const char *, const char *))
{
    const u8 *here;
    u32 number = 0;

    for (size_t at = STRUCTURES; number < UNITS_SHOWN && (here = next(table, size, &at));)
        if (is_kind(vendor, 0, here) && get16(here + 2) >= vendor->least)
            unit(vendor, here, ++number, read, fact);
}

static u32 count(const struct vendor *vendor, u32 kind, const u8 *table, size_t size)
{
    const u8 *here;
    u32 found = 0;

    for (size_t at = STRUCTURES; (here = next(table, size, &at));)
        found += is_kind(vendor, kind, here);
    return found;
}

/* DMAR: width less one, flags (8.1). IVRS: IVinfo, whose lowest byte is flags, too (5.2.2.2). */
static void summary(const struct vendor *vendor, const u8 *table, size_t size,
                    void (*fact)(const char *, const char *))
{
    char value[128];
    struct buffer text;
    size_t at = STRUCTURES;

    buffer_init(&text, value, sizeof value);
    buffer_print(&text, "head 0x%x", get32(table + OWN));
    for (u32 i = 0; vendor->kinds[i].name; i++)
        buffer_print(&text, ", %u %s", count(vendor, i, table, size), vendor->kinds[i].name);
    while (next(table, size, &at))
        ;
    if (at < size)
        buffer_print(&text, ", malformed at byte %lu of %lu", at, size);
    fact(vendor->name, value);
}

void iommu_facts(const u8 *table, size_t size, iommu_read *read,
                 void (*fact)(const char *name, const char *text))
{
    const struct vendor *vendor = vendor_of(table, size);

    if (!vendor)
        return;
    summary(vendor, table, size, fact);
    units(vendor, table, size, read, fact);
}
