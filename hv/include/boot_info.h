/* The one contract between the loader (boot/) and the hypervisor image (hv/).
 *
 * The loader fills a struct boot_info, places the hypervisor image at region.base, and calls its
 * ELF entry point (relocated) on every processor, interrupts off, identity-mapped, in 64-bit mode:
 *
 *     u64 entry(struct boot_info *info, u64 operation, u64 index);
 *
 * HV_PREPARE  once, on the boot processor: builds the hypervisor's own tables inside the region.
 * HV_START    on each processor, application processors first, the boot processor last: makes the
 *             caller a guest. It returns HV_OK *in the guest*; after that the region is out of
 * reach.
 *
 * Any other return value is an enum hv_status; then nothing has changed on that processor.
 * All addresses are physical, all sizes in bytes. */
#ifndef CEDE_BOOT_INFO_H
#define CEDE_BOOT_INFO_H

#include "types.h"

#define BOOT_INFO_VERSION 4
#define PAGE_SIZE         4096ULL

enum hv_operation { HV_PREPARE, HV_START };

enum hv_status {
    HV_OK,
    HV_BAD_INFO,     /* boot_info version or sizes do not match: loader and image differ */
    HV_REGION_SMALL, /* the region ran out of pages while tables were built */
    HV_APIC_MOVED,   /* APIC_BASE differs between processors, or lies inside the region */
    HV_TOO_HIGH,     /* memory or a PCI window above what 4-level tables reach */
    HV_REFUSED,      /* this processor failed the vendor's preflight (hv/include/preflight.h) */
    HV_NO_X2APIC,    /* partitions need it */
    HV_BAD_GUESTS,   /* their memory overlaps, is not aligned, or a core is nobody's */
};

enum uart_kind { UART_NONE, UART_PORT, UART_MMIO };

struct boot_range {
    u64 base, size;
};

/* A 16550. `baud` 0 leaves the line as the firmware set it. */
struct boot_uart {
    u64 base;
    u32 baud;
    u8 kind;   /* enum uart_kind */
    u8 stride; /* bytes between registers: 1 or 4 */
};

enum wire_mode {
    WIRE_NONE,
    WIRE_LOG,    /* Cede only reports there, beside the guest, which has the port */
    WIRE_SHARED, /* the guest's console and Cede's prompt by turns; a port only */
    WIRE_OWN,    /* Cede's prompt; hidden from the guest */
};

#define NO_MANAGEMENT   (~0U)
#define AUTO_MANAGEMENT (~0U - 1) /* in cede.conf; the loader decides */

struct boot_console {
    u8 mode;        /* enum wire_mode */
    u8 escape;      /* the byte that, twice, leads from one to the other */
    u8 readonly;    /* commands that change something are refused */
    u32 management; /* index in cpus[] of the core that Cede keeps, or NO_MANAGEMENT */
};

/* A linear frame buffer of 32-bit pixels in which ~0 is white and 0 black; width 0: none. `base`
 * and `size` are of what Cede may draw on, the top of the screen. */
struct boot_screen {
    u64 base, size;
    u32 width, height; /* pixels of that */
    u32 pitch;         /* pixels from one line to the next */
    /* Where the device's base address register is in memory (PCI Express, 7.2.2), and what it held:
     * if it does not any more, something else may be at `base`. Address 0: not known. */
    u64 bar, bar_value;
    u8 bar_bits; /* 32 or 64 */
};

/* ACPI's way to reset the machine (FADT RESET_REG); space 0xff = none. */
struct boot_reset {
    u64 address;
    u8 space; /* 0 memory, 1 I/O port, 2 PCI configuration: as in a Generic Address Structure */
    u8 value;
};

/* PM1 control blocks (0 = absent) and the SLP_TYP values of soft-off and hibernation. */
struct boot_sleep {
    u16 pm1a_cnt, pm1b_cnt;
    u8 s5_typ_a, s5_typ_b;
    u8 s4_typ_a, s4_typ_b; /* 0xff where there is no \_S4 */
    u8 s5_known; /* 0: DSDT has no readable \_S5, every sleep type but S3's is let through */
    u8 s3_typ;   /* SLP_TYP of \_S3, 0xff where there is none */
};

enum pmu_mode { PMU_FILTERED, PMU_FULL, PMU_OFF };

struct boot_policy {
    u8 pmu;            /* enum pmu_mode */
    u8 hypervisor_bit; /* show CPUID.1:ECX[31] and the Cede leaf */
    u8 unknown_msr_gp; /* MSRs unknown to the table, on a CPU newer than it: #GP instead of pass */
    u8 vmrun_branch; /* AMD: the processor counts VMRUN as a branch of the guest, to be taken off */
    u64 rules;       /* struct pmu_policy, read by HV_PREPARE only; 0: the architectural preset */
};

enum guest_boot {
    GUEST_FIRMWARE, /* the firmware and what it starts: guests[0], and only that */
    GUEST_LINUX,    /* a partition: started by Linux' 64-bit boot protocol */
};

#define GUEST_NAME   16 /* with NUL */
#define GUEST_PIECES 8

/* A part of a partition's memory as it is at each start; all else is 0 then. */
struct boot_piece {
    u64 source; /* in `pristine`, 4 KiB-aligned */
    u64 gpa;    /* 4 KiB-aligned */
    u64 size;
};

/* A partition begins on boot_cpu, in 64-bit mode at CPL 0, interrupts off, as the boot protocol
 * says: RIP = entry, RSI = boot_params, CR3 = cr3, GDTR = gdt (limit 31: null, null, code at 10h,
 * data at 18h). Page tables, GDT, boot_params, kernel and the rest are pieces. Its other cores wait
 * for INIT and SIPI. The x2APIC is on, and locked. */
struct boot_guest {
    char name[GUEST_NAME];
    u8 boot;                   /* enum guest_boot */
    u8 console;                /* of a partition: it has a UART at port 3F8h */
    struct boot_policy policy; /* its own */
    /* Of a partition only. Both ranges are EfiReservedMemoryType, and no other guest's. */
    struct boot_range memory; /* host-physical, 2 MiB-aligned; guest-physical from 0 on */
    struct boot_range
        pristine; /* 4 KiB-aligned; what the pieces are copied from; no guest sees it */
    u32 boot_cpu; /* index in cpus[] */
    u64 entry, boot_params, cr3, gdt; /* guest-physical */
    u32 piece_count;
    struct boot_piece pieces[GUEST_PIECES];
};

/* One processor that the MADT lists as enabled or online-capable. */
struct boot_cpu {
    u32 apic_id;
    u32 firmware; /* 1: MP Services reports it enabled and healthy, so it is captured at once */
    u32 guest;    /* index in guests[]; the boot processor's is 0 */
};

struct boot_info {
    u32 version; /* BOOT_INFO_VERSION */
    u32 size;    /* of the whole struct, cpus[] included */

    struct boot_range region; /* below 4 GiB, page-aligned, at least hv_region_size() bytes */
    u64 image_size;           /* bytes that the image (with .bss) takes at region.base */
    struct boot_range kept;   /* a block of KEPT_CEDE (kept.h), below 4 GiB; or size 0 */
    u8 trace;                 /* slow exits are kept there too: it has a ring for each core */
    u64 trampoline;           /* one page below 1 MiB for starting processors */
    u64 map_top;              /* end of memory and of every PCI bridge window */

    struct boot_uart uart;
    struct boot_console console;
    struct boot_screen screen;
    u32 tsc_khz; /* about; 0: not known */
    struct boot_reset reset;
    struct boot_sleep sleep;

    u32 guest_count; /* at least 1 */
    u64 guests;      /* struct boot_guest[], read by HV_PREPARE only */

    u32 bsp; /* index of the boot processor in cpus[] */
    u32 cpu_count;
    struct boot_cpu cpus[];
};

/* Per processor: a guard page, its stack, its data, its VMCB or VMCS, its host save area. */
#define CPU_BLOCK_SIZE KIB(32)

/* Second-level tables made on first touch above map_top: a fixed pool, since all memory is taken at
 * start. */
#define FIRST_TOUCH_PAGES 64

/* Pages for one identity map of [0, top): the root levels, a PDPT per 512 GiB, a PD per GiB where
 * there are no 1 GiB pages, and the PDs and PTs of the places that need small pages (the region,
 * the kept block, the screen, the local APIC, the first 2 MiB, memory-type borders). */
static inline u64 hv_map_pages(u64 top, bool gib_pages, u64 region_size)
{
    u64 pdpts = ALIGN_UP(top, GIB(512)) / GIB(512);
    u64 pds = gib_pages ? 0 : ALIGN_UP(top, GIB(1)) / GIB(1);
    u64 split = 72 + region_size / MIB(2);
    return 2 + pdpts + pds + split;
}

/* Bytes that each guest costs: permission maps, filter, console, its description, the second-level
 * tables of a partition, and those that keep its memory out of the firmware guest's map and the
 * host's. */
static inline u64 hv_guest_size(const struct boot_guest *guest)
{
    u64 tables = 32 + guest->memory.size / GIB(1) + guest->memory.size / GIB(512);

    return KIB(192) + tables * PAGE_SIZE;
}

/* Bytes of region that the hypervisor needs on this machine, and hv_guest_size() for each guest;
 * all of it is taken from the firmware guest. */
static inline u64 hv_region_size(u64 image_size, u64 cpu_count, u64 map_top, bool gib_pages,
                                 bool partitions)
{
    u64 fixed =
        ALIGN_UP(image_size, PAGE_SIZE) + CPU_BLOCK_SIZE + cpu_count * CPU_BLOCK_SIZE + KIB(256);
    u64 maps = partitions ? 4 : 2; /* one is the firmware guest's, the others are the host's */
    u64 tables = maps * hv_map_pages(map_top, gib_pages, fixed + MIB(4)) + FIRST_TOUCH_PAGES;
    return fixed + tables * PAGE_SIZE;
}

#endif
