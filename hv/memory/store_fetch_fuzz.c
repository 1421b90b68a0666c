#include <stdlib.h>
#include <string.h>

#define read_safe read_safe_of_nothing
#include "fake/fake_machine.h"
#undef read_safe
#include "memory/memory.h"

/* All of the guest's memory; the page of `refused` is not its own. */
#define PAGES 8
static u8 ram[PAGES * 4096];
static u64 refused;
struct hv hv = {.phys_limit = sizeof(ram)};

bool memory_read(void *context, u64 gpa, void *buffer, u32 size)
{
    (void)context;
    if (gpa + size > sizeof(ram) || gpa / 4096 == refused)
        return false;
    memcpy(buffer, ram + gpa, size);
    return true;
}

static bool read_safe(u64 address, u64 *value)
{
    if (address + 8 > sizeof(ram) || address / 4096 == refused)
        abort();
    memcpy(value, ram + address, 8);
    return true;
}

#include "x86/guest_mem.c"
#include "memory/store_fetch.c"
#include "x86/insn.c"

static void require(bool condition)
{
    if (!condition)
        abort();
}

static struct known_store known[KNOWN_STORES];
static struct code_state code;

/* What is known must be what somebody finds who knows nothing. */
static void compare(void)
{
    struct known_store nothing[KNOWN_STORES] = {0};
    struct store_insn insn = {0}, expected = {0};
    enum insn_status status = store_fetch(known, &code, &insn);

    require(status == store_fetch(nothing, &code, &expected));
    require(status != INSN_OK || memcmp(&insn, &expected, sizeof(insn)) == 0);
}

static void set_state(u8 what, u32 value)
{
    u64 *const registers[] = {&code.paging.cr3, &code.rip, &code.cs_base};

    if (what % 8 < COUNT(registers))
        *registers[what % 8] = value % sizeof(ram);
    else if (what % 8 == 3)
        code.paging.cr0 ^= CR0_PG;
    else if (what % 8 == 4)
        code.paging.cr4 ^= value & (CR4_PAE | CR4_LA57 | CR4_PSE);
    else if (what % 8 == 5)
        code.paging.efer ^= EFER_LMA;
    else if (what % 8 == 6)
        code.long_mode = value & 1;
    else
        code.default32 = value & 1;
}

static void start(const u8 *data)
{
    memset(ram, 0, sizeof(ram));
    memset(known, 0, sizeof(known));
    refused = data[0] % (2 * PAGES);
    code = (struct code_state){
        .paging = {.cr0 = CR0_PG, .cr4 = CR4_PAE, .efer = EFER_LMA},
        .rip = data[1] * 16,
        .long_mode = true,
    };
    for (u32 i = 0; i < sizeof(ram); i += 4096) /* every table leads to code */
        memcpy(ram + i, &(u64){(i + 4096) % sizeof(ram) | PTE_P}, 8);
    for (u32 i = 0; i + 6 < sizeof(ram); i += i % 4096 ? 16 : 32)
        if (i % 4096)
            memcpy(ram + i, "\x89\xb7\x78\x56\x34\x12", 6);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size < 2)
        return 0;
    start(data);
    for (size_t i = 2; i + 4 <= size; i += 4) {
        u32 value = data[i + 1] | (u32)data[i + 2] << 8 | (u32)data[i + 3] << 16;

        compare();
        if (data[i] & 1)
            ram[value % sizeof(ram)] = data[i] >> 1;
        else
            set_state(data[i] >> 1, value);
        compare();
    }
    return 0;
}
