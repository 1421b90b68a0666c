#include "place/elf.h"

#include "boot_info.h"
#include "uefi/bytes.h"

/* Offsets of fields, ELF-64 object file format 1.5. */
enum { HEADER = 64, E_TYPE = 16, E_MACHINE = 18, E_ENTRY = 24, E_PHOFF = 32, E_SHOFF = 40 };
enum { E_PHENTSIZE = 54, E_PHNUM = 56, E_SHENTSIZE = 58, E_SHNUM = 60 };
enum { PHDR = 56, P_OFFSET = 8, P_VADDR = 16, P_FILESZ = 32, P_MEMSZ = 40, PT_LOAD = 1 };
enum { SHDR = 64, SH_TYPE = 4, SH_OFFSET = 24, SH_SIZE = 32, SHT_RELA = 4, SHF_ALLOC = 2 };
enum { SH_FLAGS = 8, RELA = 24, R_INFO = 8, R_ADDEND = 16, R_RELATIVE = 8 };
enum { ET_DYN = 3, EM_X86_64 = 62 };

static bool within(u64 offset, u64 size, u64 limit)
{
    return offset <= limit && size <= limit - offset;
}

static bool is_load(const u8 *phdr)
{
    return get32(phdr) == PT_LOAD;
}

/* Debug sections have relocations of their own; only those of the loaded image are ours. */
static bool is_rela(const u8 *shdr)
{
    return get32(shdr + SH_TYPE) == SHT_RELA && (get64(shdr + SH_FLAGS) & SHF_ALLOC);
}

static const u8 *phdr_at(const struct elf *elf, unsigned i)
{
    return elf->file + get64(elf->file + E_PHOFF) + i * PHDR;
}

static const u8 *shdr_at(const struct elf *elf, unsigned i)
{
    return elf->file + get64(elf->file + E_SHOFF) + i * SHDR;
}

static unsigned phdr_count(const struct elf *elf)
{
    return get16(elf->file + E_PHNUM);
}

static unsigned shdr_count(const struct elf *elf)
{
    return get16(elf->file + E_SHNUM);
}

static const char *check_header(const struct elf *elf)
{
    const u8 *file = elf->file;

    /* \x7fELF, 64-bit, little-endian */
    if (elf->file_size < HEADER || get32(file) != 0x464c457f || file[4] != 2 || file[5] != 1)
        return "not a 64-bit ELF file";
    if (get16(file + E_TYPE) != ET_DYN || get16(file + E_MACHINE) != EM_X86_64)
        return "not a position-independent x86-64 image";
    if (get16(file + E_PHENTSIZE) != PHDR ||
        !within(get64(file + E_PHOFF), (u64)phdr_count(elf) * PHDR, elf->file_size))
        return "program headers outside the file";
    if (shdr_count(elf) &&
        (get16(file + E_SHENTSIZE) != SHDR ||
         !within(get64(file + E_SHOFF), (u64)shdr_count(elf) * SHDR, elf->file_size)))
        return "section headers outside the file";
    return NULL;
}

static const char *check_segments(struct elf *elf)
{
    u64 top = 0;

    for (unsigned i = 0; i < phdr_count(elf); i++) {
        const u8 *phdr = phdr_at(elf, i);
        u64 vaddr = get64(phdr + P_VADDR), memory = get64(phdr + P_MEMSZ);
        if (!is_load(phdr))
            continue;
        if (!within(get64(phdr + P_OFFSET), get64(phdr + P_FILESZ), elf->file_size))
            return "a segment outside the file";
        if (get64(phdr + P_FILESZ) > memory || !within(vaddr, memory, ELF_IMAGE_LIMIT))
            return "a segment too large";
        top = MAX(top, vaddr + memory);
    }
    elf->image_size = ALIGN_UP(top, PAGE_SIZE);
    elf->entry = get64(elf->file + E_ENTRY);
    return elf->entry < top ? NULL : "the entry point is outside the image";
}

static const char *check_relocations(const struct elf *elf)
{
    for (unsigned i = 0; i < shdr_count(elf); i++) {
        const u8 *shdr = shdr_at(elf, i);
        u64 offset = get64(shdr + SH_OFFSET), size = get64(shdr + SH_SIZE);
        if (!is_rela(shdr))
            continue;
        if (!within(offset, size, elf->file_size) || size % RELA)
            return "relocations outside the file";
        for (const u8 *rela = elf->file + offset; rela < elf->file + offset + size; rela += RELA)
            if (get64(rela + R_INFO) != R_RELATIVE || !within(get64(rela), 8, elf->image_size))
                return "a relocation that is not R_X86_64_RELATIVE inside the image";
    }
    return NULL;
}

const char *elf_open(const u8 *file, size_t size, struct elf *elf)
{
    const char *wrong;

    *elf = (struct elf){.file = file, .file_size = size};
    wrong = check_header(elf);
    if (!wrong)
        wrong = check_segments(elf);
    return wrong ? wrong : check_relocations(elf);
}

static void place_segment(const struct elf *elf, const u8 *phdr, u8 *memory)
{
    const u8 *from = elf->file + get64(phdr + P_OFFSET);
    u8 *to = memory + get64(phdr + P_VADDR);

    for (u64 i = 0; i < get64(phdr + P_FILESZ); i++)
        to[i] = from[i];
}

void elf_place(const struct elf *elf, u8 *memory, u64 base)
{
    for (u64 i = 0; i < elf->image_size; i++)
        memory[i] = 0;
    for (unsigned i = 0; i < phdr_count(elf); i++)
        if (is_load(phdr_at(elf, i)))
            place_segment(elf, phdr_at(elf, i), memory);
    for (unsigned i = 0; i < shdr_count(elf); i++) {
        const u8 *shdr = shdr_at(elf, i);
        const u8 *rela = elf->file + get64(shdr + SH_OFFSET);
        if (!is_rela(shdr))
            continue;
        for (const u8 *end = rela + get64(shdr + SH_SIZE); rela < end; rela += RELA)
            put64(memory + get64(rela), base + get64(rela + R_ADDEND));
    }
}
