/* The host's own maps: everything to itself, W^X, guard pages below the stacks. */
#include "base/asm.h"
#include "guest.h"
#include "memory/memory.h"
#include "memory/memory_parts.h"

#define HOST_RW (PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | PTE_NX)
#define HOST_RO (PTE_PRESENT | PTE_ACCESSED | PTE_NX)
#define HOST_RX (PTE_PRESENT | PTE_ACCESSED)
#define HOST_UC (HOST_RW | PTE_PCD | PTE_PWT)

extern char image_start[], text_end[], rodata_end[], image_end[];

static bool map_host_image(struct page_map *map)
{
    u64 start = (u64)image_start, text = (u64)text_end, rodata = (u64)rodata_end;

    return page_map_range(map, start, text, HOST_RX) &&
           page_map_range(map, text, rodata, HOST_RO) &&
           page_map_range(map, rodata, (u64)image_end, HOST_RW);
}

static bool map_host_guards(struct page_map *map)
{
    for (u32 i = 0; i < hv.info->cpu_count; i++) {
        u64 block = (u64)cpu_at(i) - CPU_STACK_TOP;

        if (!page_map_range(map, block, block + PAGE_SIZE, 0))
            return false;
    }
    return true;
}

static bool map_host_devices(struct page_map *map)
{
    const struct boot_uart *uart = &hv.info->uart;
    u64 page = ALIGN_DOWN(uart->base, PAGE_SIZE);

    if (uart->kind == UART_MMIO && !page_map_range(map, page, page + PAGE_SIZE, HOST_UC))
        return false;
    return page_map_range(map, hv.apic_base, hv.apic_base + PAGE_SIZE, HOST_UC);
}

/* On AMD the last 12 GiB below 1 TiB are HyperTransport's, never memory. On larger machines they
 * are below TOM2, so of type write-back: only an absent page keeps speculation out. */
static bool unmap_hypertransport(struct page_map *map)
{
    u64 start = MIN(GIB(1012), hv.map_top), end = MIN(GIB(1024), hv.map_top);

    return hv.intel || page_map_range(map, start, end, 0);
}

/* It may lie above all that is mapped. */
static bool map_screen(struct page_map *map)
{
    const struct boot_screen *screen = &hv.info->screen;
    u64 bar = ALIGN_DOWN(screen->bar, PAGE_SIZE);

    if (bar && !page_map_range(map, bar, bar + PAGE_SIZE, HOST_UC))
        return false;
    return page_map_range(map, ALIGN_DOWN(screen->base, PAGE_SIZE),
                          ALIGN_UP(screen->base + screen->size, PAGE_SIZE), HOST_UC);
}

enum host_map { EVERYTHING, WITHOUT_PARTITIONS, NOBODYS };

static bool unmap_partitions(struct page_map *map)
{
    for (u32 i = 1; i < hv.info->guest_count; i++) {
        const struct boot_range *memory = &guest_at(i)->boot->memory,
                                *pristine = &guest_at(i)->boot->pristine;

        if (!page_map_range(map, memory->base, memory->base + memory->size, 0) ||
            !page_map_range(map, pristine->base, pristine->base + pristine->size, 0))
            return false;
    }
    return true;
}

static bool map_memory(struct page_map *map, enum host_map which)
{
    const struct boot_range *region = &hv.info->region, *kept = &hv.info->kept;

    if (which == NOBODYS)
        return page_map_range(map, region->base, region->base + region->size, HOST_RW) &&
               page_map_range(map, kept->base, kept->base + kept->size, HOST_RW);
    return page_map_range(map, 0, hv.map_top, HOST_RW) && unmap_hypertransport(map) &&
           map_screen(map) && (which == EVERYTHING || unmap_partitions(map));
}

/* Everything to itself, never executable but for the image's text and the start-up trampoline. */
static bool build(u64 *root, enum host_map which)
{
    struct page_map map = {.levels = hv.host_levels,
                           .gib_pages = hv.host_gib_pages,
                           .table_bits = PTE_PRESENT | PTE_WRITE | PTE_ACCESSED,
                           .pool = &hv.pool,
                           .uniform = memory_types_uniform};
    u64 trampoline = hv.info->trampoline;

    if (!page_map_init(&map) || !map_memory(&map, which) || !map_host_image(&map) ||
        !map_host_guards(&map) || !map_host_devices(&map) ||
        !page_map_range(&map, trampoline, trampoline + PAGE_SIZE, HOST_RX))
        return false;
    *root = (u64)map.root;
    return true;
}

bool host_map_build(void)
{
    if (!build(&hv.full_cr3, EVERYTHING))
        return false;
    hv.host_cr3 = hv.lean_cr3 = hv.full_cr3;
    return hv.info->guest_count == 1 ||
           (build(&hv.host_cr3, WITHOUT_PARTITIONS) && build(&hv.lean_cr3, NOBODYS));
}

u64 host_map_open(void)
{
    u64 cr3 = read_cr3();

    write_cr3(hv.full_cr3);
    return cr3;
}

void host_map_close(u64 cr3)
{
    write_cr3(cr3);
}
