/* The guests' second-level maps: the machine's own OS's is the identity without what is hidden, a
 * partition's its own memory from 0 on; docs/design.md. */
#include "guest.h"
#include "base/msr.h"
#include "memory/memory.h"
#include "memory/memory_parts.h"

/* By 4 KiB entries, so that a first touch needs no table (show_ones). */
static bool hide(struct page_map *map, u64 start, u64 size)
{
    for (u64 page = start; page < start + size; page += PAGE_SIZE) {
        u64 *entry = page_map_entry(map, page);

        if (!entry)
            return false;
        *entry = 0;
    }
    return true;
}

/* Where INIT and SIPI are policed, writes to the APIC page exit; reads never do. */
static u64 apic_bits(const struct page_map *map)
{
    return hv.police_icr || hv.watching ? map->leaf_bits & ~PTE_WRITE : map->leaf_bits;
}

void memory_guard_apic(bool guarded)
{
    volatile u64 *entry = page_map_entry(&tenant()->map, hv.apic_base);

    *entry = guarded ? *entry & ~PTE_WRITE : *entry | PTE_WRITE;
}

void memory_follow(void)
{
    const struct guest *guest = tenant();

    page_map_twin(&guest->map, guest->no_apic, hv.apic_base, guest->ones[0]);
}

static bool make_no_apic(struct guest *guest)
{
    guest->no_apic = pages_alloc(&hv.pool, guest->map.levels);
    if (guest->no_apic)
        memory_follow();
    return guest->no_apic;
}

u64 *memory_root(const struct cpu *cpu)
{
    bool has_page = (cpu->apic_base & (APIC_BASE_EN | APIC_BASE_EXTD)) == APIC_BASE_EN;

    return has_page || is_partition(cpu->guest) ? cpu->guest->map.root : cpu->guest->no_apic;
}

/* A page of ones of the guest's own, and for each level above a table full of what is below. */
static bool make_ones(struct guest *guest)
{
    const struct page_map *map = &guest->map;

    for (u32 level = 0; level < MAP_LEVELS; level++) {
        u64 *page = page_alloc(&hv.pool), fill = level ? guest->ones[level - 1] : ~0ULL;

        if (!page)
            return false;
        for (u32 i = 0; i < PAGE_SIZE / sizeof(*page); i++)
            page[i] = fill;
        guest->ones[level] =
            (u64)page | (level ? map->table_bits : map->leaf_bits | map->write_back);
    }
    return true;
}

static bool map_ones(struct guest *guest, u64 start, u64 end)
{
    struct page_map map = guest->map;

    map.ones = guest->ones;
    return page_map_range(&map, start, end, 0);
}

static bool hide_partitions(void)
{
    for (u32 i = 1; i < hv.info->guest_count; i++) {
        const struct boot_range *ranges[] = {&guest_at(i)->boot->memory,
                                             &guest_at(i)->boot->pristine};

        for (u32 j = 0; j < COUNT(ranges); j++)
            if (!map_ones(tenant(), ranges[j]->base, ranges[j]->base + ranges[j]->size))
                return false;
    }
    return true;
}

/* Of a UART in memory that is Cede's own, the whole page: the guest loses what else is in it. */
static bool hide_uart(void)
{
    const struct boot_uart *uart = &hv.info->uart;
    u64 page = ALIGN_DOWN(uart->base, PAGE_SIZE);

    if (uart->kind != UART_MMIO || hv.info->console.mode != WIRE_OWN || page >= hv.map_top)
        return true;
    return map_ones(tenant(), page, page + PAGE_SIZE);
}

/* The machine as it is, but for what is Cede's and the partitions'. */
static bool build_tenant_map(void)
{
    struct page_map *map = &tenant()->map;
    u64 apic = hv.apic_base;

    map->uniform = memory_types_uniform;
    return page_map_range(map, 0, hv.map_top, map->leaf_bits) &&
           hide(map, hv.info->region.base, hv.info->region.size) &&
           hide(map, hv.info->kept.base, hv.info->kept.size) &&
           hide(map, hv.info->trampoline, PAGE_SIZE) && hide_uart() && hide_partitions() &&
           page_map_range(map, apic, apic + PAGE_SIZE, apic_bits(map)) && make_no_apic(tenant());
}

/* Memory from 0 on, whose type is the guest's PAT's alone; and ones. */
static bool build_partition_map(struct guest *guest)
{
    const struct boot_range *memory = &guest->boot->memory;
    struct page_map *map = &guest->map;

    map->type = NULL;
    map->leaf_bits |= map->write_back;
    map->shift = memory->base;
    return page_map_range(map, 0, memory->size, map->leaf_bits) &&
           map_ones(guest, memory->size, BIT(12 + 9 * map->levels));
}

static bool build_guest_maps(void)
{
    for (u32 i = 0; i < hv.info->guest_count; i++) {
        struct guest *guest = guest_at(i);

        guest->map.pool = &hv.pool;
        if (!page_map_init(&guest->map) || !make_ones(guest) ||
            !(i ? build_partition_map(guest) : build_tenant_map()))
            return false;
    }
    return true;
}

static bool reaches(const struct guest *guest, const struct boot_range *range)
{
    return page_map_reaches(&guest->map, range->base, range->base + range->size);
}

/* By construction; and by looking at what was constructed. */
static bool are_apart(void)
{
    for (u32 i = 0; i < hv.info->guest_count; i++)
        for (u32 j = 1; j < hv.info->guest_count; j++) {
            const struct boot_guest *other = guest_at(j)->boot;

            if ((i != j && reaches(guest_at(i), &other->memory)) ||
                reaches(guest_at(i), &other->pristine))
                return false;
        }
    return true;
}

/* The pool for first touches is the end of the start-up pool; from now on nothing else is
 * allocated but what guests_prepare() takes. */
static bool take_first_touch_pool(void)
{
    u64 pages = FIRST_TOUCH_PAGES * PAGE_SIZE;

    if (hv.pool.end - hv.pool.next < pages)
        return false;
    hv.first_touch = (struct page_pool){hv.pool.next, hv.pool.next + pages};
    hv.pool.next += pages;
    tenant()->map.pool = &hv.first_touch;
    if (!tenant()->map.type)
        tenant()->map.uniform = NULL;
    return true;
}

enum hv_status memory_prepare(void)
{
    u64 before = hv.pool.next;

    memory_types_prepare();
    if (!host_map_build() || !build_guest_maps() || !take_first_touch_pool())
        return HV_REGION_SMALL;
    hv.memory_tables = hv.pool.next - before;
    return are_apart() ? HV_OK : HV_BAD_GUESTS;
}

bool in_range(u64 address, u64 base, u64 size)
{
    return address >= base && address - base < size;
}

bool is_partitions(u64 address)
{
    for (u32 i = 1; i < hv.info->guest_count; i++) {
        const struct boot_guest *boot = guest_at(i)->boot;

        if (in_range(address, boot->memory.base, boot->memory.size) ||
            in_range(address, boot->pristine.base, boot->pristine.size))
            return true;
    }
    return false;
}

bool is_hidden(u64 gpa)
{
    return in_range(gpa, hv.info->region.base, hv.info->region.size) ||
           in_range(gpa, hv.info->kept.base, hv.info->kept.size) ||
           in_range(gpa, hv.info->trampoline, PAGE_SIZE);
}

static enum first_touch show_ones(struct page_map *map, u64 gpa)
{
    bool first = !hv.touched_hidden;

    *(volatile u64 *)page_map_entry(map, gpa) = tenant()->ones[0];
    memory_follow();
    hv.touched_hidden = true;
    return first ? TOUCH_HIDDEN : TOUCH_MAPPED;
}

static void show_range(struct page_map *map, u64 start, u64 size)
{
    for (u64 page = start; page < start + size; page += PAGE_SIZE)
        *(volatile u64 *)page_map_entry(map, page) = tenant()->ones[0];
}

void memory_show_hidden(const struct guest *guest)
{
    struct page_map *map = &tenant()->map;

    if (is_partition(guest))
        return;
    show_range(map, hv.info->region.base, hv.info->region.size);
    show_range(map, hv.info->kept.base, hv.info->kept.size);
    show_range(map, hv.info->trampoline, PAGE_SIZE);
    memory_follow();
}

/* A partition's map is whole. */
enum first_touch memory_first_touch(struct guest *guest, u64 gpa)
{
    struct page_map *map = &guest->map;
    u64 size = map->gib_pages ? GIB(1) : MIB(2);
    u64 start = ALIGN_DOWN(gpa, size);

    if (gpa >= hv.phys_limit || is_partition(guest))
        return TOUCH_BEYOND;
    if (page_map_lookup(map, gpa))
        return TOUCH_MAPPED; /* another core was faster */
    if (is_hidden(gpa))
        return show_ones(map, gpa);
    if (!page_map_range(map, start, start + size, map->leaf_bits))
        return TOUCH_BEYOND;
    memory_follow();
    return TOUCH_MAPPED;
}
