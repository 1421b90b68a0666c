#include "guests/linux.h"

#include "boot_info.h"
#include "uefi/bytes.h"
#include "machine/tables.h"
#include "uefi/text.h"

/* Offsets in boot_params, of which the setup header has the same in the file. */
enum {
    ACPI_RSDP_ADDR = 0x70,
    E820_ENTRIES = 0x1e8,
    SETUP_SECTS = 0x1f1,
    SYSSIZE = 0x1f4,
    VID_MODE = 0x1fa,
    BOOT_FLAG = 0x1fe,
    HEADER_LENGTH = 0x201, /* of the setup header, from 0x202 on */
    HEADER_MAGIC = 0x202,
    VERSION = 0x206,
    TYPE_OF_LOADER = 0x210,
    LOADFLAGS = 0x211,
    CODE32_START = 0x214,
    RAMDISK_IMAGE = 0x218,
    RAMDISK_SIZE = 0x21c,
    CMD_LINE_PTR = 0x228,
    INITRD_ADDR_MAX = 0x22c,
    XLOADFLAGS = 0x236,
    CMDLINE_SIZE = 0x238,
    PREF_ADDRESS = 0x258,
    INIT_SIZE = 0x260,
    E820_TABLE = 0x2d0,
};

enum { LOADED_HIGH = 1, KERNEL_64 = 1, NO_VIDEO_MODE = 0xffff, OTHER_LOADER = 0xff };

/* In the setup piece. */
enum { GDT = 0x1000, CMDLINE = 0x2000, TABLES = 0x3000 };

_Static_assert(TABLES + 6 * PAGE_SIZE <= LINUX_SETUP_SIZE, "setup piece too small");
_Static_assert(CMDLINE + LINUX_CMDLINE <= TABLES, "command line too long");

static const char *read_sizes(const u8 *header, u64 file_size, struct linux_image *image)
{
    u64 code = (header[SETUP_SECTS] ? header[SETUP_SECTS] + 1U : 5U) * 512;
    u64 size = get32(header + SYSSIZE) * 16ULL;

    /* syssize counts in 16 bytes, rounded up. */
    if (!size || code >= file_size || size > ALIGN_UP(file_size - code, 16))
        return "it is cut short";
    *image = (struct linux_image){.code = code,
                                  .code_size = MIN(size, file_size - code),
                                  .address = get64(header + PREF_ADDRESS),
                                  .init_size = get32(header + INIT_SIZE),
                                  .cmdline_size = get32(header + CMDLINE_SIZE),
                                  .initrd_max = get32(header + INITRD_ADDR_MAX)};
    if (image->address < MIB(1) || image->address % PAGE_SIZE ||
        image->address + image->init_size > GIB(4) || image->init_size < image->code_size)
        return "its header names no usable load address";
    return NULL;
}

const char *linux_read(const u8 header[LINUX_HEADER], u64 file_size, struct linux_image *image)
{
    if (file_size < LINUX_HEADER || get16(header + BOOT_FLAG) != 0xaa55 ||
        get32(header + HEADER_MAGIC) != 0x53726448) /* "HdrS" */
        return "it is not a Linux bzImage";
    if (get16(header + VERSION) < 0x20c || !(header[LOADFLAGS] & LOADED_HIGH))
        return "its boot protocol is older than 2.12";
    if (!(get16(header + XLOADFLAGS) & KERNEL_64))
        return "it is not an x86-64 kernel";
    return read_sizes(header, file_size, image);
}

bool linux_place(const struct linux_image *image, u64 memory, u64 initrd_size,
                 struct linux_start *start, u64 *least)
{
    u64 end = image->address + image->init_size;
    u64 top = MIN(MIN(memory, LINUX_HOLE), image->initrd_max + 1);

    *start = (struct linux_start){
        .memory = memory,
        .kernel = image->address,
        .entry = image->address + 0x200,
        .initrd = initrd_size && initrd_size <= top ? ALIGN_DOWN(top - initrd_size, PAGE_SIZE) : 0,
        .initrd_size = initrd_size,
        .boot_params = LINUX_SETUP,
        .gdt = LINUX_SETUP + GDT,
        .cr3 = LINUX_SETUP + TABLES + 5 * PAGE_SIZE, /* the last table, of linux_setup() */
    };
    *least = ALIGN_UP(end + ALIGN_UP(initrd_size, PAGE_SIZE), MIB(2));
    return end <= MIN(memory, LINUX_HOLE) && (!initrd_size || start->initrd >= end);
}

enum { E820_RAM = 1, E820_RESERVED = 2, E820_ACPI = 3 };

static void add_e820(u8 *params, u64 base, u64 end, u32 type)
{
    u8 *entry = params + E820_TABLE + 20 * params[E820_ENTRIES];

    if (base >= end)
        return;
    put64(entry, base);
    put64(entry + 8, end - base);
    put32(entry + 16, type);
    params[E820_ENTRIES]++;
}

static void fill_e820(u8 *params, u64 memory)
{
    add_e820(params, 0, 0xa0000, E820_RAM);
    add_e820(params, LINUX_ACPI, LINUX_ACPI + LINUX_ACPI_SIZE, E820_ACPI);
    add_e820(params, MIB(1), MIN(memory, LINUX_HOLE), E820_RAM);
    add_e820(params, LINUX_HOLE, GIB(4), E820_RESERVED);
    add_e820(params, GIB(4), memory, E820_RAM);
}

static void fill_params(u8 *params, const u8 *header, const struct linux_start *start)
{
    size_t end = HEADER_MAGIC + header[HEADER_LENGTH];

    for (size_t i = SETUP_SECTS; i < MIN(end, (size_t)E820_TABLE); i++)
        params[i] = header[i];
    put64(params + ACPI_RSDP_ADDR, LINUX_ACPI);
    fill_e820(params, start->memory);
    params[VID_MODE] = params[VID_MODE + 1] = (u8)NO_VIDEO_MODE;
    params[TYPE_OF_LOADER] = OTHER_LOADER;
    put32(params + CODE32_START, (u32)start->kernel);
    put32(params + RAMDISK_IMAGE, (u32)start->initrd);
    put32(params + RAMDISK_SIZE, (u32)start->initrd_size);
    put32(params + CMD_LINE_PTR, LINUX_SETUP + CMDLINE);
}

/* Flat, accessed, 64-bit code at 10h and data at 18h. */
static void fill_gdt(u8 *gdt)
{
    put64(gdt + 0x10, 0x00af9b000000ffff);
    put64(gdt + 0x18, 0x00cf93000000ffff);
}

void linux_setup(u8 setup[LINUX_SETUP_SIZE], const u8 header[LINUX_HEADER],
                 const struct linux_start *start, const char *cmdline)
{
    static const struct tables_shape shape = {.top = GIB(4)};

    for (size_t i = 0; i < LINUX_SETUP_SIZE; i++)
        setup[i] = 0;
    fill_params(setup, header, start);
    fill_gdt(setup + GDT);
    text_print((char *)setup + CMDLINE, LINUX_CMDLINE, "%s", cmdline);
    tables_fill(&shape, (u64 *)(void *)(setup + TABLES), LINUX_SETUP + TABLES);
}

/* tsc_early_khz (Linux 5.11): nothing else would tell the TSC's frequency on AMD, and the APIC
 * timer is calibrated by it. tsc=reliable: without a second clock Linux would keep the TSC for low
 * resolution timers only, waiting to see it verified. noapic: there is no IOAPIC; a Linux that
 * looks for interrupt remapping, finds none and wants to leave x2APIC mode, which is locked, would
 * (6.1) forget that it is in it. reboot=a: by ACPI's reset
 * register; by default 6.1 tries a keyboard controller. */
bool linux_cmdline(char out[LINUX_CMDLINE], const char *words, u32 tsc_khz, u64 most)
{
    size_t used =
        text_print(out, LINUX_CMDLINE, "tsc_early_khz=%u tsc=reliable noapic reboot=a%s%s", tsc_khz,
                   words[0] ? " " : "", words);

    return used <= most && used < LINUX_CMDLINE - 1;
}
