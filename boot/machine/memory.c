#include "machine/memory.h"

#include "machine/bridge.h"
#include "machine/cpu_ops.h"
#include "machine/memory_map.h"

static EFI_GUID root_bridge_guid = EFI_PCI_ROOT_BRIDGE_IO_PROTOCOL_GUID;

/* Reserved and MMIO ranges do not count towards the top: firmware marks places up to MAXPHYADDR so,
 * and what lies there is mapped on first touch. */
static bool is_ram(u32 type)
{
    switch (type) {
    case EfiLoaderCode:
    case EfiLoaderData:
    case EfiBootServicesCode:
    case EfiBootServicesData:
    case EfiRuntimeServicesCode:
    case EfiRuntimeServicesData:
    case EfiConventionalMemory:
    case EfiACPIReclaimMemory:
    case EfiACPIMemoryNVS:
        return true;
    }
    return false;
}

static bool is_for_os(u32 type)
{
    return is_ram(type) && type != EfiRuntimeServicesCode && type != EfiRuntimeServicesData &&
           type != EfiACPIMemoryNVS;
}

static void count_range(struct memory *memory, const EFI_MEMORY_DESCRIPTOR *range)
{
    u64 size = range->NumberOfPages * PAGE_SIZE;

    memory->ranges++;
    if (range->Type < EfiMaxMemoryType)
        memory->of_type[range->Type] += size;
    if (is_for_os(range->Type))
        memory->total += size;
    if (is_ram(range->Type))
        memory->ram_top = MAX(memory->ram_top, range->PhysicalStart + size);
    if (range->Type == EfiConventionalMemory && range->PhysicalStart < GIB(4))
        memory->largest = MAX(memory->largest, MIN(size, GIB(4) - range->PhysicalStart));
}

static u64 highest_bridge(void)
{
    UINTN count;
    EFI_HANDLE *handles = handles_with(&root_bridge_guid, &count);
    u64 top = 0;

    for (UINTN i = 0; i < count; i++) {
        EFI_PCI_ROOT_BRIDGE_IO_PROTOCOL *bridge = protocol(handles[i], &root_bridge_guid);
        void *list = NULL;
        if (bridge && !EFI_ERROR(bridge->Configuration(bridge, &list)) && list)
            top = MAX(top, bridge_memory_top(list));
    }
    pool_free(handles);
    return top;
}

/* Below 4 GiB lie the local APICs, flash and 32-bit devices: always mapped. Without 1 GiB pages a
 * 64-bit bridge window could cost more tables than it is worth: there it is left to the first
 * touch. */
static u64 choose_top(const struct memory *memory)
{
    u64 top = MAX(memory->ram_top, GIB(4));

    if (memory->gib_pages)
        top = MAX(top, memory->bridge_top);
    return MIN(ALIGN_UP(top, GIB(1)), physical_limit());
}

EFI_STATUS memory_survey(struct memory *memory)
{
    UINTN size, stride;
    u8 *map;
    EFI_STATUS status = memory_map(&map, &size, &stride);

    *memory = (struct memory){.gib_pages = has_gib_pages()};
    if (EFI_ERROR(status))
        return status;
    for (u8 *at = map; at + stride <= map + size; at += stride)
        count_range(memory, (EFI_MEMORY_DESCRIPTOR *)(void *)at);
    pool_free(map);
    memory->bridge_top = highest_bridge();
    memory->map_top = choose_top(memory);
    return EFI_SUCCESS;
}

u64 pages_alloc(EFI_MEMORY_TYPE type, u64 bytes, u64 limit)
{
    EFI_PHYSICAL_ADDRESS address = limit - 1, other = limit - 1;
    UINTN pages = EFI_SIZE_TO_PAGES(bytes);

    if (EFI_ERROR(BS->AllocatePages(AllocateMaxAddress, type, pages, &address)))
        return 0;
    if (address)
        return address;
    /* Page 0 is legal for the firmware to give, and useless: take another and give it back. */
    if (EFI_ERROR(BS->AllocatePages(AllocateMaxAddress, type, pages, &other)))
        other = 0;
    BS->FreePages(address, pages);
    return other;
}

u64 pages_alloc_aligned(EFI_MEMORY_TYPE type, u64 bytes, u64 align)
{
    u64 all = bytes + align - PAGE_SIZE, base = pages_alloc(type, all, BIT(52));
    u64 start = ALIGN_UP(base, align), end = start + bytes;

    if (!base)
        return 0;
    if (start > base)
        pages_free(base, start - base);
    if (base + all > end)
        pages_free(end, base + all - end);
    return start;
}

void pages_free(u64 address, u64 bytes)
{
    if (address)
        BS->FreePages(address, EFI_SIZE_TO_PAGES(bytes));
}
