#include "next/bootorder.h"

#include "next/bootopt.h"
#include "uefi/devpath.h"
#include "next/start.h"
#include "uefi/text.h"
#include "uefi/volume.h"

#define MAX_OPTIONS  256
#define OPTION_LIMIT KIB(8)
#define FILE_LIMIT   256

/* UEFI 3.5.1.1: what a disk without a boot option starts. */
static const CHAR16 removable_file[] = L"\\EFI\\BOOT\\BOOTX64.EFI";

/* What we are, to be skipped: the option that started us, our file, our disk. */
struct self {
    EFI_HANDLE image, volume;
    u16 boot_current;
    bool has_boot_current;
    CHAR16 file[FILE_LIMIT]; /* empty if unknown */
    u8 disk[PATH_LIMIT];     /* valid path if has_disk */
    bool has_disk;
};

/* What is done with each candidate, in order; true ends the walk. */
struct walk {
    const struct self *self;
    bool report_only, announce;
    unsigned found;
    EFI_STATUS status;
};

static void know_self(struct self *self, EFI_HANDLE image)
{
    EFI_LOADED_IMAGE *loaded = protocol(image, &loaded_image_guid);
    const u8 *path, *file = (const u8 *)loaded->FilePath;

    *self = (struct self){.image = image, .volume = loaded->DeviceHandle};
    self->has_boot_current = global_variable(L"BootCurrent", &self->boot_current, 2) == 2;
    path = handle_path(self->volume);
    self->has_disk = path && path_disk(path, self->disk, sizeof self->disk);
    if (!file || !path_size(file, PATH_LIMIT) || !path_file(file, self->file, FILE_LIMIT))
        self->file[0] = 0;
}

/* A file on our disk is us if it is the file we came from, or what the disk starts by itself; other
 * programs beside us, such as the loader of an OS that Cede was installed next to, are not. */
static bool is_self(const struct self *self, const u8 *volume_path, const CHAR16 *file)
{
    if (!self->has_disk || !path_after(volume_path, self->disk))
        return false;
    return text_same_path(file, removable_file) || text_same_path(file, self->file);
}

/* True ends the walk: the program ran and came back content. */
static bool try_path(struct walk *walk, const u8 *path, const struct bootopt *option)
{
    static char name[BOOTOPT_NAME + FILE_LIMIT];
    static CHAR16 file[FILE_LIMIT];
    struct program program = {.parent = walk->self->image, .path = path, .name = name};
    void *options = NULL;
    bool started;

    if (!path_file(path, file, FILE_LIMIT))
        file[0] = 0;
    text_print(name, sizeof name, "%s%s%ls", option ? option->name : "", option ? " " : "", file);
    walk->found++;
    if (walk->report_only || walk->announce)
        say("cede: next: %s\n", name);
    if (walk->report_only)
        return false;
    if (option && option->optional_size && (options = pool_alloc(option->optional_size))) {
        BS->CopyMem(options, (void *)(UINTN)option->optional, option->optional_size);
        program.options = options;
        program.options_size = (u32)option->optional_size;
    }
    walk->status = program_start(&program, &started);
    pool_free(options);
    return started && !EFI_ERROR(walk->status);
}

static bool try_file(struct walk *walk, EFI_HANDLE volume, const CHAR16 *file,
                     const struct bootopt *option)
{
    static u8 path[PATH_LIMIT];
    const u8 *volume_path = handle_path(volume);

    if (!volume_path || is_self(walk->self, volume_path, file) || !volume_has(volume, file) ||
        !path_append_file(volume_path, file, path, sizeof path))
        return false;
    return try_path(walk, path, option);
}

/* How a boot option's path and a volume's relate. */
static bool names_volume(const u8 *path, const u8 *volume_path)
{
    if (path[0] == PATH_MEDIA && path[1] == MEDIA_HARD_DRIVE) { /* short form, UEFI 3.1.2 */
        const u8 *hd = path_find(volume_path, PATH_MEDIA, MEDIA_HARD_DRIVE);
        return hd && path_same_partition(hd, path);
    }
    if (path[0] == PATH_MEDIA && path[1] == MEDIA_FILE_PATH) /* short form: on any volume */
        return true;
    return path_after(path, volume_path) || path_after(volume_path, path);
}

/* The option's file, or the removable one, on each volume that the option's path names. `*named`
 * counts these volumes. */
static bool try_volumes(struct walk *walk, const struct bootopt *option, unsigned *named)
{
    static CHAR16 file[FILE_LIMIT];
    UINTN count;
    EFI_HANDLE *volumes = handles_with(&file_system_guid, &count);
    bool done = false;

    for (UINTN i = 0; i < count && !done; i++) {
        const u8 *path = handle_path(volumes[i]);
        if (!path || !names_volume(option->path, path))
            continue;
        ++*named;
        done = try_file(walk, volumes[i],
                        path_file(option->path, file, FILE_LIMIT) ? file : removable_file, option);
    }
    pool_free(volumes);
    return done;
}

/* The firmware's own programs: its shell, its setup. */
static bool in_flash(const struct bootopt *option)
{
    return path_find(option->path, PATH_MEDIA, MEDIA_FIRMWARE_VOLUME);
}

static bool try_option(struct walk *walk, u16 number, bool flash)
{
    static u8 data[OPTION_LIMIT];
    struct bootopt option;
    CHAR16 variable[9] = L"Boot0000";
    unsigned named = 0;

    if (walk->self->has_boot_current && number == walk->self->boot_current)
        return false;
    for (unsigned i = 0; i < 4; i++)
        variable[4 + i] = (CHAR16) "0123456789ABCDEF"[number >> (12 - 4 * i) & 0xf];
    if (!bootopt_parse(data, global_variable(variable, data, sizeof data), &option) ||
        !option.active || in_flash(&option) != flash)
        return false;
    if (try_volumes(walk, &option, &named))
        return true;
    /* Not a file on a volume: a program in flash, or network boot. */
    return !named && !path_find(option.path, PATH_MEDIA, MEDIA_HARD_DRIVE) &&
           !(walk->self->has_disk && path_after(option.path, walk->self->disk)) &&
           try_path(walk, option.path, &option);
}

static bool try_other_disks(struct walk *walk)
{
    UINTN count;
    EFI_HANDLE *volumes = handles_with(&file_system_guid, &count);
    bool done = false;

    for (UINTN i = 0; i < count && !done; i++)
        done = try_file(walk, volumes[i], removable_file, NULL);
    pool_free(volumes);
    return done;
}

static bool try_order(struct walk *walk, bool flash)
{
    static u16 order[MAX_OPTIONS];
    UINTN count = global_variable(L"BootOrder", order, sizeof order) / sizeof order[0];

    for (UINTN i = 0; i < count; i++)
        if (try_option(walk, order[i], flash))
            return true;
    return false;
}

/* A disk that boots comes before the shell in flash, wherever the firmware lists that. */
static void walk_options(struct walk *walk)
{
    volume_connect_all();
    if (!try_order(walk, false) && !try_other_disks(walk))
        try_order(walk, true);
}

EFI_STATUS bootorder_start(EFI_HANDLE image, bool announce)
{
    static struct self self;
    struct walk walk = {.self = &self, .announce = announce, .status = EFI_NOT_FOUND};

    know_self(&self, image);
    walk_options(&walk);
    if (!walk.found)
        say("cede: nothing to start: no boot option but this one, and no other disk has\n"
            "cede: %ls: set 'next' in cede.conf, or install an OS\n",
            removable_file);
    return walk.status;
}

void bootorder_report(EFI_HANDLE image)
{
    static struct self self;
    struct walk walk = {.self = &self, .report_only = true};

    know_self(&self, image);
    walk_options(&walk);
    if (!walk.found)
        say("cede: next: none: no other boot option, no other disk that boots\n");
}
