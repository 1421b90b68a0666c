#include "selftest/mapped.h"

#include "base/msr.h"
#include "x86/guest_mem.h"

/* The tables lie where they are. */
static bool read_here(void *context, u64 address, void *buffer, u32 size)
{
    (void)context;
    __builtin_memcpy(buffer, (const void *)address, size);
    return true;
}

bool is_mapped(u64 root, u32 levels, u64 address)
{
    static const struct guest_memory memory = {.read = read_here, .address_mask = MASK(51, 12)};
    struct guest_paging paging = {
        .cr0 = CR0_PG, .cr3 = root, .cr4 = levels == 5 ? CR4_LA57 : 0, .efer = EFER_LMA};
    u64 place;

    return guest_translate(&memory, &paging, address, &place);
}
