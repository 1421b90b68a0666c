/* Places a static PIE: PT_LOAD segments and R_X86_64_RELATIVE relocations, nothing else. Pure; the
 * file is embedded in cede.efi, and still every offset in it is checked, since a build may go
 * wrong. */
#ifndef CEDE_ELF_H
#define CEDE_ELF_H

#include "types.h"

#define ELF_IMAGE_LIMIT MIB(64)

struct elf {
    const u8 *file;
    size_t file_size;
    u64 image_size; /* from address 0 to the end of the last segment, whole pages */
    u64 entry;      /* relative to the image's start */
};

/* Checks everything that elf_place() relies on. NULL if good, else what is wrong. */
const char *elf_open(const u8 *file, size_t size, struct elf *elf);

/* Writes the image to memory[elf->image_size], relocated to run at address `base`. */
void elf_place(const struct elf *elf, u8 *memory, u64 base);

#endif
