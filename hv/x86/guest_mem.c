#include "x86/guest_mem.h"
#include "base/msr.h"

#define CR4_PSE BIT(4)

#define PTE_P  BIT(0)
#define PTE_PS BIT(7)

#define LOW_BITS(linear, shift) ((linear) & (BIT(shift) - 1))

/* The ways to page (APM vol. 2, 5.2 and 5.3). */
enum shape_name { LEGACY, LEGACY_PSE, PAE, LONG_4, LONG_5 };

static const struct shape {
    u8 top;        /* lowest linear-address bit of the root table's index */
    u8 index_bits; /* 10 with entries of 4 bytes, 9 with 8 */
    u64 large;     /* bit n: an entry may map a page of 2^n bytes */
    u64 root;      /* CR3's table address */
} shapes[] = {
    [LEGACY] = {22, 10, 0, MASK(31, 12)},
    [LEGACY_PSE] = {22, 10, BIT(22), MASK(31, 12)},
    [PAE] = {30, 9, BIT(21), MASK(31, 5)},
    [LONG_4] = {39, 9, BIT(30) | BIT(21), MASK(51, 12)},
    [LONG_5] = {48, 9, BIT(30) | BIT(21), MASK(51, 12)},
};

static const struct shape *shape_of(const struct guest_paging *paging)
{
    if (paging->efer & EFER_LMA)
        return &shapes[paging->cr4 & CR4_LA57 ? LONG_5 : LONG_4];
    if (paging->cr4 & CR4_PAE)
        return &shapes[PAE];
    return &shapes[paging->cr4 & CR4_PSE ? LEGACY_PSE : LEGACY];
}

/* A 4 MiB PDE holds physical address bits 39:32 in its bits 20:13 (APM vol. 2, 5.2.2). */
static u64 page_base(u64 entry, u8 shift, u64 address_mask)
{
    if (shift == 22)
        entry = (entry & MASK(31, 22)) | FIELD(entry, 20, 13) << 32;
    return entry & address_mask & ~(BIT(shift) - 1);
}

static bool read_entry(const struct guest_memory *memory, const struct shape *shape, u64 table,
                       u64 index, u64 *entry)
{
    u32 size = shape->index_bits == 10 ? 4 : 8;

    *entry = 0;
    return memory->read(memory->context, table + index * size, entry, size) && (*entry & PTE_P);
}

static bool walk(const struct guest_memory *memory, const struct shape *shape, u64 cr3, u64 linear,
                 u64 *gpa)
{
    u64 entry, table = cr3 & shape->root & (memory->address_mask | 0xfff);

    for (u8 shift = shape->top;; shift -= shape->index_bits) {
        u64 index = LOW_BITS(linear >> shift, shape->index_bits);

        if (!read_entry(memory, shape, table, index, &entry))
            return false;
        if (shift == 12 || ((shape->large & BIT(shift)) && (entry & PTE_PS))) {
            *gpa = page_base(entry, shift, memory->address_mask) | LOW_BITS(linear, shift);
            return true;
        }
        table = entry & memory->address_mask;
    }
}

bool guest_translate(const struct guest_memory *memory, const struct guest_paging *paging,
                     u64 linear, u64 *gpa)
{
    if (!(paging->efer & EFER_LMA))
        linear = (u32)linear;
    if (paging->cr0 & CR0_PG)
        return walk(memory, shape_of(paging), paging->cr3, linear, gpa);
    *gpa = (u32)linear;
    return true;
}

u32 guest_read(const struct guest_memory *memory, const struct guest_paging *paging, u64 linear,
               void *buffer, u32 size)
{
    u32 done = 0;

    while (done < size) {
        u32 chunk = MIN(size - done, 4096 - (u32)LOW_BITS(linear + done, 12));
        u64 gpa;

        if (!guest_translate(memory, paging, linear + done, &gpa) ||
            !memory->read(memory->context, gpa, (u8 *)buffer + done, chunk))
            break;
        done += chunk;
    }
    return done;
}
