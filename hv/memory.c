#include "memory.h"
#include "asm.h"
#include "guest.h"
#include "log.h"
#include "memory_type.h"
#include "msr.h"
#include "vcpu.h"

#define HOST_RW        (PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | PTE_NX)
#define HOST_RO        (PTE_PRESENT | PTE_ACCESSED | PTE_NX)
#define HOST_RX        (PTE_PRESENT | PTE_ACCESSED)
#define HOST_UC        (HOST_RW | PTE_PCD | PTE_PWT)
#define APIC_PAGE_SIZE PAGE_SIZE

extern char image_start[], text_end[], rodata_end[], image_end[];

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

    if (vendor == &svm_vendor && rdmsr_safe(MSR_SYSCFG, &syscfg) && (syscfg & BIT(21)) &&
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
    }
    unlock(&hv_lock);
    if (!whole)
        log_guest("no page left to split for new memory types: a large page keeps its old one");
}

static bool uniform(u64 start, u64 size)
{
    return memory_type_uniform(&memory_types, start, size);
}

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
    return page_map_range(map, hv.apic_base, hv.apic_base + APIC_PAGE_SIZE, HOST_UC);
}

/* On AMD the last 12 GiB below 1 TiB are HyperTransport's, never memory. On larger machines they
 * are below TOM2, so of type write-back: only an absent page keeps speculation out. */
static bool unmap_hypertransport(struct page_map *map)
{
    u64 start = MIN(GIB(1012), hv.map_top), end = MIN(GIB(1024), hv.map_top);

    return vendor != &svm_vendor || page_map_range(map, start, end, 0);
}

/* Everything to itself, never executable but for the image's text and the start-up trampoline. */
static bool build_host_map(void)
{
    struct page_map map = {.levels = hv.host_levels,
                           .gib_pages = hv.host_gib_pages,
                           .table_bits = PTE_PRESENT | PTE_WRITE | PTE_ACCESSED,
                           .pool = &hv.pool,
                           .uniform = uniform};
    u64 trampoline = hv.info->trampoline;

    if (!page_map_init(&map) || !page_map_range(&map, 0, hv.map_top, HOST_RW) ||
        !unmap_hypertransport(&map) || !map_host_image(&map) || !map_host_guards(&map) ||
        !map_host_devices(&map) ||
        !page_map_range(&map, trampoline, trampoline + PAGE_SIZE, HOST_RX))
        return false;
    hv.host_cr3 = (u64)map.root;
    return true;
}

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
    return hv.police_icr ? map->leaf_bits & ~PTE_WRITE : map->leaf_bits;
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

    map->uniform = uniform;
    return page_map_range(map, 0, hv.map_top, map->leaf_bits) &&
           hide(map, hv.info->region.base, hv.info->region.size) &&
           hide(map, hv.info->trampoline, PAGE_SIZE) && hide_uart() && hide_partitions() &&
           page_map_range(map, apic, apic + APIC_PAGE_SIZE, apic_bits(map));
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

    memory_types_read(&memory_types);
    if (!build_host_map() || !build_guest_maps() || !take_first_touch_pool())
        return HV_REGION_SMALL;
    hv.memory_tables = hv.pool.next - before;
    return are_apart() ? HV_OK : HV_BAD_GUESTS;
}

static bool in_range(u64 address, u64 base, u64 size)
{
    return address >= base && address - base < size;
}

static bool is_partitions(u64 address)
{
    for (u32 i = 1; i < hv.info->guest_count; i++) {
        const struct boot_guest *boot = guest_at(i)->boot;

        if (in_range(address, boot->memory.base, boot->memory.size) ||
            in_range(address, boot->pristine.base, boot->pristine.size))
            return true;
    }
    return false;
}

static bool hidden(u64 gpa)
{
    return in_range(gpa, hv.info->region.base, hv.info->region.size) ||
           in_range(gpa, hv.info->trampoline, PAGE_SIZE);
}

static enum first_touch show_ones(struct page_map *map, u64 gpa)
{
    bool first = !hv.touched_hidden;

    *(volatile u64 *)page_map_entry(map, gpa) = tenant()->ones[0];
    hv.touched_hidden = true;
    return first ? TOUCH_HIDDEN : TOUCH_MAPPED;
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
    if (hidden(gpa))
        return show_ones(map, gpa);
    return page_map_range(map, start, start + size, map->leaf_bits) ? TOUCH_MAPPED : TOUCH_BEYOND;
}

/* Less than a word; never beyond the word, which may be the page's last. */
static bool copy_few(u64 gpa, u8 *to, u32 size)
{
    while (size) {
        u32 skip = gpa % 8, part = MIN(8 - skip, size);
        u64 word;

        if (!read_safe(gpa - skip, &word))
            return false;
        for (word >>= skip * 8, gpa += part, size -= part; part; part--, word >>= 8)
            *to++ = (u8)word;
    }
    return true;
}

/* By words, the last of which may overlap the one before. Page table entries are one word each. */
static bool copy_out(u64 gpa, u8 *to, u32 size)
{
    u32 done = 0;

    if (size < 8)
        return copy_few(gpa, to, size);
    for (; done + 8 <= size; done += 8)
        if (!read_safe(gpa + done, (u64 *)(void *)(to + done)))
            return false;
    return done == size || read_safe(gpa + size - 8, (u64 *)(void *)(to + size - 8));
}

bool memory_read(void *context, u64 gpa, void *buffer, u32 size)
{
    const struct guest *guest = context;

    if (is_partition(guest))
        return in_range(gpa, 0, guest->boot->memory.size - size + 1) &&
               copy_out(guest->boot->memory.base + gpa, buffer, size);
    if (gpa + size > hv.map_top || hidden(gpa) || hidden(gpa + size - 1) || is_partitions(gpa))
        return false;
    return copy_out(gpa, buffer, size);
}

u32 memory_read_linear(const struct cpu *cpu, const struct guest_paging *paging, u64 linear,
                       void *buffer, u32 size)
{
    struct guest_memory memory = {.read = memory_read,
                                  .context = cpu->guest,
                                  .address_mask = (hv.phys_limit - 1) & PTE_ADDRESS};

    return guest_read(&memory, paging, linear, buffer, size);
}
