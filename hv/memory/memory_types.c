/* The memory types that the machine's MTRRs give, and what follows when the guest changes them. */
#include "base/asm.h"
#include "guest.h"
#include "base/msr.h"
#include "memory/memory.h"
#include "memory/memory_parts.h"
#include "serial/log.h"
#include "x86/memory_type.h"

static struct memory_types memory_types;

static void read_fixed(struct memory_types *types)
{
    static const u16 msrs[FIXED_MTRRS] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
                                          0x26b, 0x26c, 0x26d, 0x26e, 0x26f};

    for (u32 i = 0; i < FIXED_MTRRS; i++)
        types->fixed_types[i] = types->fixed ? rdmsr(msrs[i]) : 0;
}

static void read_variable(struct memory_types *types, u32 count)
{
    types->count = 0;
    for (u32 i = 0; i < count; i++) {
        u64 base = rdmsr(IA32_MTRR_PHYSBASE0 + 2 * i),
            mask = rdmsr(IA32_MTRR_PHYSBASE0 + 2 * i + 1);

        if (!(mask & BIT(11)))
            continue;
        types->type[types->count] = (u8)base;
        types->base[types->count] = base & PTE_ADDRESS;
        types->mask[types->count++] = mask & PTE_ADDRESS & types->physical_mask;
    }
}

/* AMD only: SYSCFG.MtrrTom2En (APM 7.9.1). */
static u64 read_top_of_memory2(void)
{
    u64 syscfg = 0, tom2 = 0;

    if (!hv.intel && rdmsr_safe(MSR_SYSCFG, &syscfg) && (syscfg & BIT(21)) &&
        rdmsr_safe(MSR_TOM2, &tom2))
        return tom2 & PTE_ADDRESS;
    return 0;
}

void memory_types_read(struct memory_types *types)
{
    u64 cap = rdmsr(IA32_MTRRCAP), def = rdmsr(IA32_MTRR_DEF_TYPE);

    *types = (struct memory_types){0};
    types->enabled = def & BIT(11);
    types->fixed = (def & BIT(10)) && (cap & BIT(8));
    types->default_type = (u8)def;
    types->physical_mask = hv.phys_limit - 1;
    read_variable(types, MIN(FIELD(cap, 7, 0), MAX_VARIABLE_MTRRS));
    read_fixed(types);
    types->top_of_memory2 = read_top_of_memory2();
}

u8 memory_type_at(u64 gpa)
{
    return memory_type_of(&memory_types, gpa);
}

/* Entry by entry, under running guests: on a processor whose MTRRs are being written nobody relies
 * on them (SDM 12.11.8 has all caches off meanwhile). */
void memory_types_update(u64 type_mask)
{
    static struct memory_types now; /* under hv_lock */
    bool whole = true;

    lock(&hv_lock);
    memory_types_read(&now);
    if (!memory_types_equal(&now, &memory_types)) {
        memory_types = now;
        whole = page_map_retype(&tenant()->map, type_mask);
        memory_follow();
    }
    unlock(&hv_lock);
    if (!whole)
        log_guest("no page left to split for new memory types: a large page keeps its old one");
}

void memory_types_prepare(void)
{
    memory_types_read(&memory_types);
}

bool memory_types_uniform(u64 start, u64 size)
{
    return memory_type_uniform(&memory_types, start, size);
}
