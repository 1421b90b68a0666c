#include "place/place.h"

#include "machine/console.h"
#include "machine/cpu_ops.h"
#include "machine/screen.h"
#include "place/keep.h"
#include "uefi/refuse.h"
#include "machine/switch.h"
#include "machine/tables.h"

extern const u8 hv_image[], hv_image_end[];

bool place_open_image(struct place *place)
{
    const char *wrong;

    *place = (struct place){0};
    wrong = elf_open(hv_image, (size_t)(hv_image_end - hv_image), &place->elf);
    if (wrong)
        refuse("the hypervisor image inside cede.efi is bad: %s", wrong);
    return !wrong;
}

u64 place_region_size(const struct place *place, const struct plan *plan,
                      const struct memory *memory)
{
    u64 size = hv_region_size(place->elf.image_size, plan->count, memory->map_top,
                              memory->gib_pages, plan->guest_count > 1);

    for (u32 i = 0; i < plan->guest_count; i++)
        size += hv_guest_size(&plan->guests[i]);
    return ALIGN_UP(size, PAGE_SIZE);
}

/* Real-mode code at vector:0000 (a SIPI vector is a page below 1 MiB); from 0xA0 up lie video
 * memory and ROMs. */
static u64 take_trampoline(void)
{
    return pages_alloc(EfiReservedMemoryType, PAGE_SIZE, 0xa0000);
}

static bool take_tables(struct place *place, const struct memory *memory)
{
    struct tables_shape shape = {memory->map_top, memory->gib_pages, read_cr4() & CR4_LA57};
    u64 size = tables_size(&shape);
    u64 base = pages_alloc(EfiLoaderData, size, GIB(4));

    place->tables = (struct boot_range){base, size};
    if (!base)
        return false;
    BS->SetMem((void *)(UINTN)base, size, 0);
    place->cr3 = tables_fill(&shape, (u64 *)(UINTN)base, base);
    return true;
}

static void fill_guests(struct boot_info *info, const struct plan *plan)
{
    info->bsp = plan->bsp;
    info->cpu_count = plan->count;
    for (u32 i = 0; i < plan->count; i++)
        info->cpus[i] = plan->cpus[i];
    info->guest_count = plan->guest_count;
    info->guests = (u64)(UINTN)plan->guests;
}

static void refuse_memory(u64 region, const struct memory *memory)
{
    refuse("too little memory: add some. Cede needs %lu KiB in one piece below 4 GiB and a page "
           "below 640 KiB, the firmware has %lu KiB in one piece",
           region / 1024, memory->largest / 1024);
}

bool place_would_fit(const struct place *place, const struct plan *plan,
                     const struct memory *memory)
{
    u64 region = place_region_size(place, plan, memory);

    if (memory->largest < region)
        refuse_memory(region, memory);
    return memory->largest >= region;
}

static bool take_memory(struct place *place, const struct plan *plan, const struct memory *memory)
{
    struct boot_info *info;
    size_t size = sizeof *info + plan->count * sizeof info->cpus[0];
    u64 region = place_region_size(place, plan, memory);

    place->info = info = pool_alloc(size);
    if (!info)
        return false;
    info->version = BOOT_INFO_VERSION;
    info->size = (u32)size;
    info->region = (struct boot_range){pages_alloc(EfiReservedMemoryType, region, GIB(4)), region};
    info->trampoline = take_trampoline();
    return info->region.base && info->trampoline && take_tables(place, memory);
}

bool place_all(struct place *place, const struct plan *plan, const struct memory *memory,
               const struct acpi *acpi, const struct conf *conf)
{
    if (!take_memory(place, plan, memory)) {
        refuse_memory(place_region_size(place, plan, memory), memory);
        place_undo(place);
        return false;
    }

    struct boot_info *info = place->info;
    place->last = keep_last();
    info->kept = keep_take(place->last, conf->trace ? plan->count : 0);
    info->trace = conf->trace;
    place->keeps = info->kept.size;
    elf_place(&place->elf, (u8 *)(UINTN)info->region.base, info->region.base);
    place->entry = info->region.base + place->elf.entry;
    info->image_size = place->elf.image_size;
    info->map_top = memory->map_top;
    info->uart = console_choose(conf, &acpi->uart);
    info->console = console_wire(conf, &info->uart);
    info->screen = screen_find(acpi->pci);
    info->tsc_khz = console_tsc_khz();
    info->reset = acpi->fadt.reset;
    info->sleep = acpi->sleep;
    fill_guests(info, plan);
    return true;
}

bool place_prepare(struct place *place)
{
    u64 status = hv_call(place->entry, place->cr3, place->info, HV_PREPARE, 0);

    if (status == HV_OK)
        return true;
    refuse("the hypervisor does not start: %s", hv_status_text(status));
    place_undo(place);
    return false;
}

void place_finish(struct place *place)
{
    pages_free(place->tables.base, place->tables.size);
    place->tables.base = 0;
    pool_free(place->info);
    place->info = NULL;
}

void place_undo(struct place *place)
{
    if (place->info) {
        pages_free(place->info->region.base, place->info->region.size);
        pages_free(place->info->trampoline, PAGE_SIZE);
        keep_undo(&place->info->kept);
    }
    place_finish(place);
}

const char *hv_status_text(u64 status)
{
    switch (status) {
    case HV_OK:
        return "no error";
    case HV_BAD_INFO:
        return "loader and hypervisor image do not match: rebuild cede.efi";
    case HV_REGION_SMALL:
        return "its region is too small for this machine: report this";
    case HV_APIC_MOVED:
        return "the firmware moved a local APIC: reset its setup to defaults";
    case HV_TOO_HIGH:
        return "memory or a PCI window lies above 256 TiB; lower the firmware's MMIO limit";
    case HV_NO_X2APIC:
        return "partitions need processors with an x2APIC";
    case HV_BAD_GUESTS:
        return "the guests' memory or cores overlap: report this";
    case HV_REFUSED:
        return "this processor failed the preflight: run cede.efi --check";
    }
    return "unknown status: report this";
}
