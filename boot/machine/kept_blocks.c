#include "machine/kept_blocks.h"

#include "boot_info.h"
#include "machine/memory_map.h"
#include "uefi/presence.h"

#define ANY_KIND 0

/* A memory map for as long as it is looked at. */
struct view {
    u8 *map;
    UINTN size, stride;
};

/* Free memory, and what this boot has reserved. Without write-back, reserved is what no access may
 * reach (a device's, SMM's); under Cede, its own: the first touch of that would be reported. */
static bool may_be_read(const EFI_MEMORY_DESCRIPTOR *range)
{
    if (!(range->Attribute & EFI_MEMORY_WB))
        return false;
    return range->Type == EfiConventionalMemory ||
           (range->Type == EfiReservedMemoryType && !presence_find());
}

static u64 end_of(const EFI_MEMORY_DESCRIPTOR *range)
{
    return range->PhysicalStart + range->NumberOfPages * PAGE_SIZE;
}

static EFI_MEMORY_DESCRIPTOR *at(const struct view *view, UINTN offset)
{
    return (void *)(view->map + offset);
}

/* The readable range with an address; where two of them touch, each is looked at alone. */
static const EFI_MEMORY_DESCRIPTOR *range_of(const struct view *view, u64 address)
{
    for (UINTN i = 0; i + view->stride <= view->size; i += view->stride) {
        const EFI_MEMORY_DESCRIPTOR *range = at(view, i);

        if (address >= range->PhysicalStart && address < end_of(range))
            return may_be_read(range) ? range : NULL;
    }
    return NULL;
}

static struct kept *whole_at(const struct view *view, u64 base)
{
    const EFI_MEMORY_DESCRIPTOR *range = range_of(view, base);
    struct kept *block = (void *)(UINTN)base;

    return range && kept_is_whole(block, base, end_of(range) - base) ? block : NULL;
}

static bool view_open(struct view *view)
{
    return !EFI_ERROR(memory_map(&view->map, &view->size, &view->stride));
}

/* From `base` on, below `end`. */
static struct kept *find(const struct view *view, u64 base, u64 end, u32 kind)
{
    for (; base < end; base += KEPT_ALIGN) {
        struct kept *block = whole_at(view, base);

        if (block && (kind == ANY_KIND || block->kind == kind))
            return block;
    }
    return NULL;
}

struct kept *kept_find(u32 kind, const struct kept *after)
{
    struct kept *block;
    struct view view;

    if (!view_open(&view))
        return NULL;
    block = find(&view, after ? (u64)(UINTN)after + KEPT_ALIGN : KEPT_LOWEST, GIB(4), kind);
    pool_free(view.map);
    return block;
}

struct kept *kept_newest(u32 kind, bool (*says)(const struct kept *block))
{
    struct kept *best = NULL;

    for (struct kept *block = NULL; (block = kept_find(kind, block));)
        if ((block->used || (says && says(block))) && (!best || block->serial > best->serial))
            best = block;
    return best;
}

static u32 next_serial(u32 kind)
{
    u32 serial = 0;

    for (struct kept *block = NULL; (block = kept_find(kind, block));)
        serial = MAX(serial, block->serial);
    return serial + 1;
}

static UINTN pages_of(u64 bytes)
{
    return EFI_SIZE_TO_PAGES(sizeof(struct kept) + bytes);
}

static bool take(u64 base, u64 bytes)
{
    EFI_PHYSICAL_ADDRESS address = base;

    return !EFI_ERROR(
        BS->AllocatePages(AllocateAddress, EfiReservedMemoryType, pages_of(bytes), &address));
}

/* The lowest place where there is no block, and memory; 0: none. */
static u64 take_somewhere(const struct view *view, u64 bytes)
{
    for (u64 base = KEPT_LOWEST; base < GIB(4); base += KEPT_ALIGN) {
        u64 end = base + sizeof(struct kept) + bytes;

        if (!find(view, base, end, ANY_KIND) && range_of(view, base) && take(base, bytes))
            return base;
    }
    return 0;
}

static struct kept *begin(u64 base, u64 bytes, u32 kind, u32 serial)
{
    struct kept *block = (void *)(UINTN)base;
    u64 size = pages_of(bytes) * PAGE_SIZE;

    BS->SetMem(block, size, 0);
    kept_begin(block, base, kind, (u32)(size - sizeof *block), serial);
    return block;
}

struct kept *kept_alloc(u32 kind, u64 bytes)
{
    u32 serial = next_serial(kind);
    struct view view;
    u64 base;

    if (bytes > KEPT_LIMIT - sizeof(struct kept) || !view_open(&view))
        return NULL;
    base = take_somewhere(&view, bytes);
    pool_free(view.map);
    return base ? begin(base, bytes, kind, serial) : NULL;
}

bool kept_hold(const struct kept *block)
{
    u64 base = (u64)(UINTN)block;

    return take(base, block->size) ||
           kept_find(block->kind, (void *)(UINTN)(base - KEPT_ALIGN)) == block;
}

/* To memory: a reset may throw away what only the caches have, and bring the block back. */
void kept_drop(struct kept *block)
{
    UINTN pages = pages_of(block->size);

    if (!kept_hold(block))
        return;
    block->magic = 0;
    __asm__ volatile("clflush %0; mfence" : "+m"(block->magic));
    BS->FreePages((UINTN)block, pages);
}
