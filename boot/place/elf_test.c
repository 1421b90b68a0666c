#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "place/elf.c"

enum {
    PHDRS = HEADER,
    SEGMENT = 0x200,
    RELAS = 0x300,
    SHDRS = 0x400,
    FILE_SIZE = SHDRS + 2 * SHDR
};

static u8 file[FILE_SIZE];

static void put16(u8 *at, u16 value)
{
    at[0] = (u8)value;
    at[1] = (u8)(value >> 8);
}

/* One segment of 0x20 bytes at 0x1000 with 0x10 more of .bss, one relocation in it. */
static int build(void **state)
{
    (void)state;
    memset(file, 0, sizeof file);
    memcpy(file,
           "\x7f"
           "ELF\2\1\1",
           7);
    put16(file + E_TYPE, ET_DYN);
    put16(file + E_MACHINE, EM_X86_64);
    put64(file + E_ENTRY, 0x1004);
    put64(file + E_PHOFF, PHDRS);
    put64(file + E_SHOFF, SHDRS);
    put16(file + E_PHENTSIZE, PHDR);
    put16(file + E_PHNUM, 1);
    put16(file + E_SHENTSIZE, SHDR);
    put16(file + E_SHNUM, 2);
    put32(file + PHDRS, PT_LOAD);
    put64(file + PHDRS + P_OFFSET, SEGMENT);
    put64(file + PHDRS + P_VADDR, 0x1000);
    put64(file + PHDRS + P_FILESZ, 0x20);
    put64(file + PHDRS + P_MEMSZ, 0x30);
    memset(file + SEGMENT, 0xcc, 0x20);
    put32(file + SHDRS + SHDR + SH_TYPE, SHT_RELA);
    put64(file + SHDRS + SHDR + SH_FLAGS, SHF_ALLOC);
    put64(file + SHDRS + SHDR + SH_OFFSET, RELAS);
    put64(file + SHDRS + SHDR + SH_SIZE, RELA);
    put64(file + RELAS, 0x1008);
    put64(file + RELAS + R_INFO, R_RELATIVE);
    put64(file + RELAS + R_ADDEND, 0x1010);
    return 0;
}

static const char *open_size(size_t size, struct elf *elf)
{
    static u8 *copy;

    free(copy);
    copy = malloc(size + !size);
    memcpy(copy, file, size);
    return elf_open(copy, size, elf);
}

static void refuses(void)
{
    struct elf elf;

    assert_non_null(open_size(sizeof file, &elf));
    build(NULL);
    assert_null(open_size(sizeof file, &elf));
}

static void places(void **state)
{
    struct elf elf;

    (void)state;
    assert_null(open_size(sizeof file, &elf));
    assert_int_equal(elf.image_size, 0x2000);
    assert_int_equal(elf.entry, 0x1004);

    u8 *memory = malloc(elf.image_size);
    memset(memory, 0xee, elf.image_size);
    elf_place(&elf, memory, 0x7f000000);
    assert_int_equal(memory[0], 0);
    assert_int_equal(memory[0x1000], 0xcc);
    assert_int_equal(get64(memory + 0x1008), 0x7f001010);
    assert_int_equal(memory[0x101f], 0xcc);
    assert_int_equal(memory[0x1020], 0);
    assert_int_equal(memory[0x1fff], 0);
    free(memory);
}

static void cut_file(void **state)
{
    struct elf elf;

    (void)state;
    for (size_t cut = 0; cut < sizeof file; cut++)
        assert_non_null(open_size(cut, &elf));
}

static void bad_header(void **state)
{
    (void)state;
    file[4] = 1;
    refuses();
    file[5] = 2;
    refuses();
    put16(file + E_TYPE, 2);
    refuses();
    put16(file + E_MACHINE, 3);
    refuses();
    put16(file + E_PHENTSIZE, 32);
    refuses();
    put16(file + E_PHNUM, 0xffff);
    refuses();
    put64(file + E_PHOFF, ~0ULL - 8);
    refuses();
    put64(file + E_SHOFF, ~0ULL);
    refuses();
    put64(file + E_ENTRY, 0x1030);
    refuses();
}

static void bad_segment(void **state)
{
    u8 *phdr = file + PHDRS;

    (void)state;
    put64(phdr + P_OFFSET, ~0ULL);
    refuses();
    put64(phdr + P_FILESZ, 0x31);
    refuses();
    put64(phdr + P_FILESZ, ~0ULL);
    refuses();
    put64(phdr + P_VADDR, ELF_IMAGE_LIMIT);
    refuses();
    put64(phdr + P_VADDR, ~0ULL);
    refuses();
    put64(phdr + P_MEMSZ, ~0ULL);
    refuses();
}

static void bad_relocation(void **state)
{
    (void)state;
    put64(file + RELAS + R_INFO, 6); /* GLOB_DAT */
    refuses();
    put64(file + RELAS, 0x1ff9); /* would cross the image's end */
    refuses();
    put64(file + RELAS, ~0ULL);
    refuses();
    put64(file + SHDRS + SHDR + SH_SIZE, RELA - 1);
    refuses();
    put64(file + SHDRS + SHDR + SH_OFFSET, ~0ULL);
    refuses();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(places, build),         cmocka_unit_test_setup(cut_file, build),
        cmocka_unit_test_setup(bad_header, build),     cmocka_unit_test_setup(bad_segment, build),
        cmocka_unit_test_setup(bad_relocation, build),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
