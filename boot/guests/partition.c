#include "guests/partition.h"

#include "guests/guest_acpi.h"
#include "guests/linux.h"
#include "machine/memory.h"
#include "next/next.h"
#include "uefi/refuse.h"
#include "uefi/text.h"
#include "uefi/volume.h"

/* What is known of a partition while its files are open. */
struct source {
    const struct conf_guest *guest;
    EFI_FILE_HANDLE kernel, initrd;
    u64 kernel_size, initrd_size;
    u8 header[LINUX_HEADER];
    struct linux_image image;
    struct linux_start start;
    char cmdline[LINUX_CMDLINE];
};

static bool wrong(const struct conf_guest *guest, enum guest_key key, const char *what)
{
    refuse("cede.conf:%u: guest '%s': %s = %s: %s", guest->lines[key], guest->name,
           key == GUEST_KERNEL ? "kernel" : "initrd",
           key == GUEST_KERNEL ? guest->kernel : guest->initrd, what);
    return false;
}

static bool open_file(EFI_HANDLE first, const struct conf_guest *guest, enum guest_key key,
                      EFI_FILE_HANDLE *file, u64 *size)
{
    static CHAR16 wide[CONF_PATH];
    bool kernel = key == GUEST_KERNEL;
    EFI_HANDLE volume = find_file(first, kernel ? "kernel" : "initrd",
                                  kernel ? guest->kernel : guest->initrd, wide);
    EFI_STATUS status = volume ? volume_open(volume, wide, file) : EFI_NOT_FOUND;

    if (EFI_ERROR(status)) {
        *file = NULL;
        return wrong(guest, key, status_text(status));
    }
    status = file_size(*file, size);
    return EFI_ERROR(status) ? wrong(guest, key, status_text(status)) : true;
}

static void close_files(const struct source *source)
{
    if (source->kernel)
        source->kernel->Close(source->kernel);
    if (source->initrd)
        source->initrd->Close(source->initrd);
}

static bool read_kernel(EFI_HANDLE volume, struct source *source)
{
    const char *fault = "it is not a Linux bzImage";

    if (!open_file(volume, source->guest, GUEST_KERNEL, &source->kernel, &source->kernel_size))
        return false;
    if (source->kernel_size >= LINUX_HEADER) {
        EFI_STATUS status = file_read(source->kernel, source->header, LINUX_HEADER);
        fault = EFI_ERROR(status) ? status_text(status)
                                  : linux_read(source->header, source->kernel_size, &source->image);
    }
    return fault ? wrong(source->guest, GUEST_KERNEL, fault) : true;
}

static bool find_places(struct source *source, u32 tsc_khz)
{
    const struct conf_guest *guest = source->guest;
    u64 least;

    if (!linux_place(&source->image, guest->memory, source->initrd_size, &source->start, &least)) {
        refuse("cede.conf:%u: guest '%s': memory = %luM: its kernel and initrd need %luM at least",
               guest->lines[GUEST_MEMORY], guest->name, guest->memory / MIB(1), least / MIB(1));
        return false;
    }
    if (linux_cmdline(source->cmdline, guest->cmdline, tsc_khz, source->image.cmdline_size))
        return true;
    refuse("cede.conf:%u: guest '%s': cmdline: with what Cede adds it is longer than the kernel "
           "takes, %u bytes",
           guest->lines[GUEST_CMDLINE], guest->name, source->image.cmdline_size);
    return false;
}

static bool open_source(EFI_HANDLE volume, const struct conf_guest *guest, u32 tsc_khz,
                        struct source *source)
{
    __builtin_memset(source, 0, sizeof *source);
    source->guest = guest;
    if (read_kernel(volume, source) &&
        (!guest->initrd[0] ||
         open_file(volume, guest, GUEST_INITRD, &source->initrd, &source->initrd_size)) &&
        find_places(source, tsc_khz))
        return true;
    close_files(source);
    return false;
}

bool partitions_check(EFI_HANDLE image, const struct conf *conf)
{
    static struct source source;
    const struct conf_guest *guest;
    bool good = true;

    for (u32 number = 1; (guest = plan_partition(conf, number)); number++) {
        bool opened = open_source(own_volume(image), guest, ~0U, &source);
        if (opened)
            close_files(&source);
        good = good && opened;
    }
    return good;
}

/* The next piece of the pristine copy. */
static u8 *add_piece(struct boot_guest *guest, u64 gpa, u64 size)
{
    const struct boot_piece *last = &guest->pieces[guest->piece_count - 1];
    u64 source =
        guest->piece_count ? ALIGN_UP(last->source + last->size, PAGE_SIZE) : guest->pristine.base;

    if (size)
        guest->pieces[guest->piece_count++] = (struct boot_piece){source, gpa, size};
    return (u8 *)(UINTN)source;
}

static void add_acpi(const struct plan *plan, struct boot_guest *guest, u32 *apic_ids)
{
    u32 number = (u32)(guest - plan->guests), count = 1;
    u8 *tables = add_piece(guest, LINUX_ACPI, LINUX_ACPI_SIZE);

    apic_ids[0] = plan->cpus[guest->boot_cpu].apic_id;
    for (u32 i = 0; i < plan->count; i++)
        if (plan->cpus[i].guest == number && i != guest->boot_cpu)
            apic_ids[count++] = plan->cpus[i].apic_id;
    guest->pieces[guest->piece_count - 1].size =
        guest_acpi_build(tables, LINUX_ACPI_SIZE,
                         &(struct guest_acpi){LINUX_ACPI, apic_ids, count, guest->console, true});
}

static bool secure_boot(void)
{
    u8 on = 0;

    global_variable(L"SecureBoot", &on, 1);
    return on;
}

/* A kernel is an EFI program too: the firmware judges its signature as it loads it. */
static EFI_STATUS judge_signature(EFI_HANDLE parent, void *file, u64 size)
{
    EFI_HANDLE image = NULL;
    EFI_STATUS status =
        BS->LoadImage(FALSE, parent, (void *)handle_path(own_volume(parent)), file, size, &image);

    if (image)
        BS->UnloadImage(image);
    return status;
}

/* What is started is what was judged: the file is read once. */
static EFI_STATUS read_judged(EFI_HANDLE parent, const struct source *source, u8 *kernel)
{
    u8 *file = pool_alloc(source->kernel_size);
    EFI_STATUS status =
        file ? file_read(source->kernel, file, source->kernel_size) : EFI_OUT_OF_RESOURCES;

    if (!EFI_ERROR(status) && __builtin_memcmp(file, source->header, LINUX_HEADER))
        status = EFI_SECURITY_VIOLATION;
    if (!EFI_ERROR(status))
        status = judge_signature(parent, file, source->kernel_size);
    if (!EFI_ERROR(status))
        __builtin_memcpy(kernel, file + source->image.code, source->image.code_size);
    pool_free(file);
    return status;
}

static EFI_STATUS read_kernel_code(EFI_HANDLE parent, const struct source *source, u8 *kernel)
{
    if (secure_boot())
        return read_judged(parent, source, kernel);
    return file_read_at(source->kernel, source->image.code, kernel, source->image.code_size);
}

static EFI_STATUS read_files(EFI_HANDLE parent, const struct source *source,
                             struct boot_guest *guest)
{
    const struct linux_start *start = &source->start;
    u8 *kernel = add_piece(guest, start->kernel, source->image.code_size);
    EFI_STATUS status = read_kernel_code(parent, source, kernel);

    if (EFI_ERROR(status) || !source->initrd_size)
        return status;
    return file_read(source->initrd, add_piece(guest, start->initrd, start->initrd_size),
                     start->initrd_size);
}

static EFI_STATUS fill(EFI_HANDLE image, const struct plan *plan, const struct source *source,
                       struct boot_guest *guest)
{
    u32 *apic_ids = pool_alloc(plan->count * sizeof *apic_ids);

    if (!apic_ids)
        return EFI_OUT_OF_RESOURCES;
    BS->SetMem((void *)(UINTN)guest->pristine.base, guest->pristine.size, 0);
    linux_setup(add_piece(guest, LINUX_SETUP, LINUX_SETUP_SIZE), source->header, &source->start,
                source->cmdline);
    add_acpi(plan, guest, apic_ids);
    pool_free(apic_ids);
    guest->entry = source->start.entry;
    guest->boot_params = source->start.boot_params;
    guest->cr3 = source->start.cr3;
    guest->gdt = source->start.gdt;
    return read_files(image, source, guest);
}

static bool take_range(struct boot_range *range, u64 size)
{
    *range = (struct boot_range){pages_alloc_aligned(EfiReservedMemoryType, size, MIB(2)), size};
    return range->base;
}

static bool take_memory(const struct source *source, struct boot_guest *guest)
{
    u64 pristine = LINUX_SETUP_SIZE + LINUX_ACPI_SIZE +
                   ALIGN_UP(source->image.code_size, PAGE_SIZE) + source->initrd_size;

    return take_range(&guest->memory, guest->memory.size) &&
           take_range(&guest->pristine, ALIGN_UP(pristine, MIB(2)));
}

static bool load(EFI_HANDLE image, const struct plan *plan, const struct source *source,
                 struct boot_guest *guest)
{
    const struct conf_guest *conf = source->guest;

    if (!take_memory(source, guest)) {
        refuse("cede.conf:%u: guest '%s': memory = %luM: the firmware has no piece of that size "
               "and what its kernel and initrd take: make it smaller, or start Cede earlier",
               conf->lines[GUEST_MEMORY], conf->name, conf->memory / MIB(1));
        return false;
    }
    EFI_STATUS status = fill(image, plan, source, guest);

    if (status == EFI_ACCESS_DENIED || status == EFI_SECURITY_VIOLATION)
        return wrong(conf, GUEST_KERNEL,
                     "refused by Secure Boot: sign it with a key that the "
                     "firmware knows (docs/secure-boot.md)");
    return EFI_ERROR(status) ? wrong(conf, GUEST_KERNEL, status_text(status)) : true;
}

static bool load_one(EFI_HANDLE image, const struct conf *conf, const struct plan *plan, u32 number,
                     u32 tsc_khz)
{
    static struct source source;

    if (!open_source(own_volume(image), plan_partition(conf, number), tsc_khz, &source))
        return false;
    bool good = load(image, plan, &source, &plan->guests[number]);
    close_files(&source);
    return good;
}

bool partitions_load(EFI_HANDLE image, const struct conf *conf, const struct plan *plan,
                     u32 tsc_khz)
{
    for (u32 number = 1; number < plan->guest_count; number++)
        if (!load_one(image, conf, plan, number, tsc_khz)) {
            partitions_undo(plan);
            return false;
        }
    return true;
}

void partitions_undo(const struct plan *plan)
{
    for (u32 number = 1; plan->guests && number < plan->guest_count; number++) {
        struct boot_guest *guest = &plan->guests[number];

        pages_free(guest->memory.base, guest->memory.size);
        pages_free(guest->pristine.base, guest->pristine.size);
        guest->memory.base = guest->pristine.base = 0;
        guest->piece_count = 0;
    }
}
