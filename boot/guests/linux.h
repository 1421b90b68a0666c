/* Linux' boot protocol for a partition (kernel: Documentation/arch/x86/boot.rst), by the 64-bit
 * entry. Pure. */
#ifndef CEDE_LINUX_H
#define CEDE_LINUX_H

#include "types.h"

#define LINUX_HEADER  4096 /* bytes at a kernel file's start that linux_read() looks at */
#define LINUX_CMDLINE 4096 /* bytes, with NUL */

/* Guest-physical. One piece has all that Cede makes but the ACPI tables. */
#define LINUX_SETUP      0x10000ULL
#define LINUX_SETUP_SIZE KIB(40)
#define LINUX_ACPI       0xe0000ULL /* where BIOSes have it, and old kernels look */
#define LINUX_ACPI_SIZE  KIB(128)

/* Addresses from here to 4 GiB are the local APIC's and its kind: never memory. */
#define LINUX_HOLE 0xfec00000ULL

/* What a bzImage says of itself. */
struct linux_image {
    u64 code, code_size; /* offset in the file, and size, of what is loaded */
    u64 address;         /* where */
    u32 init_size;       /* memory that it needs there until it knows all of it */
    u32 cmdline_size;    /* most bytes, without NUL */
    u64 initrd_max;      /* last address of an initrd */
};

/* Where a partition finds things. */
struct linux_start {
    u64 memory;
    u64 kernel, entry;
    u64 initrd, initrd_size; /* size 0: none */
    u64 boot_params, cr3, gdt;
};

/* NULL, or what is wrong with the file. */
const char *linux_read(const u8 header[LINUX_HEADER], u64 file_size, struct linux_image *image);

/* Finds places in `memory` bytes; NULL, or how much memory there should be in *least. */
bool linux_place(const struct linux_image *image, u64 memory, u64 initrd_size,
                 struct linux_start *start, u64 *least);

/* Fills the piece for LINUX_SETUP: boot_params with the memory map, GDT, page tables, command line.
 */
void linux_setup(u8 setup[LINUX_SETUP_SIZE], const u8 header[LINUX_HEADER],
                 const struct linux_start *start, const char *cmdline);

/* The operator's words behind those that a machine without PIT, HPET and PM timer needs, so that
 * the operator's win; false if they are longer than `most`. */
bool linux_cmdline(char out[LINUX_CMDLINE], const char *words, u32 tsc_khz, u64 most);

#endif
