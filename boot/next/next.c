#include "next/next.h"

#include "next/bootorder.h"
#include "uefi/devpath.h"
#include "next/initrd.h"
#include "next/start.h"
#include "uefi/text.h"
#include "uefi/volume.h"

static EFI_GUID path_to_text_guid = {
    0x8b843e20, 0x8132, 0x4852, {0x90, 0xcc, 0x55, 0x1a, 0x4e, 0x4a, 0x7f, 0x1c}};

typedef struct {
    CHAR16 *(EFIAPI *node_to_text)(const void *node, BOOLEAN display_only, BOOLEAN shortcuts);
    CHAR16 *(EFIAPI *path_to_text)(const void *path, BOOLEAN display_only, BOOLEAN shortcuts);
} EFI_PATH_TO_TEXT;

EFI_HANDLE own_volume(EFI_HANDLE image)
{
    EFI_LOADED_IMAGE *self = protocol(image, &loaded_image_guid);

    return self ? self->DeviceHandle : NULL;
}

static void say_volume(UINTN number, EFI_HANDLE volume)
{
    EFI_PATH_TO_TEXT *to_text = NULL;
    const u8 *path = handle_path(volume);
    CHAR16 *text = NULL;

    BS->LocateProtocol(&path_to_text_guid, NULL, (void **)&to_text);
    if (to_text && path)
        text = to_text->path_to_text(path, TRUE, TRUE);
    say("cede:   volume %lu: %ls\n", (u64)number, text ? text : L"(no device path)");
    pool_free(text);
}

static void say_missing(const char *what, const char *path)
{
    UINTN count;
    EFI_HANDLE *volumes = handles_with(&file_system_guid, &count);

    say("cede: %s = %s: on none of these %lu volumes:\n", what, path, (u64)count);
    for (UINTN i = 0; i < count; i++)
        say_volume(i, volumes[i]);
    say("cede: correct cede.conf, or attach the disk that has the file\n");
    pool_free(volumes);
}

EFI_HANDLE find_file(EFI_HANDLE first, const char *what, const char *path, CHAR16 *wide)
{
    EFI_HANDLE volume;

    if (!text_to_utf16(path, wide, CONF_PATH)) {
        say("cede: %s = %s: not UTF-8 text\n", what, path);
        return NULL;
    }
    volume = volume_find(first, wide);
    if (!volume) {
        volume_connect_all();
        volume = volume_find(first, wide);
    }
    if (!volume)
        say_missing(what, path);
    return volume;
}

static EFI_STATUS offer_initrd(EFI_HANDLE volume, const struct conf *conf)
{
    static CHAR16 wide[CONF_PATH];
    EFI_STATUS status;

    if (!conf->initrd[0])
        return EFI_SUCCESS;
    volume = find_file(volume, "initrd", conf->initrd, wide);
    if (!volume)
        return EFI_NOT_FOUND;
    status = initrd_offer(volume, wide);
    if (EFI_ERROR(status))
        say("cede: initrd = %s: %s\n", conf->initrd, status_text(status));
    return status;
}

/* LoadOptions of a kernel or a shell program: NUL-terminated UTF-16. */
static bool set_options(struct program *program, const struct conf *conf)
{
    static CHAR16 wide[CONF_OPTIONS];
    u32 length = 0;

    if (!conf->options[0])
        return true;
    if (!text_to_utf16(conf->options, wide, COUNT(wide))) {
        say("cede: options: not UTF-8 text\n");
        return false;
    }
    while (wide[length++])
        ;
    program->options = wide;
    program->options_size = length * sizeof wide[0];
    return true;
}

static EFI_STATUS start_named(EFI_HANDLE image, const struct conf *conf, bool announce)
{
    static CHAR16 wide[CONF_PATH];
    static u8 path[PATH_LIMIT];
    struct program program = {.parent = image, .path = path, .name = conf->next};
    EFI_HANDLE volume = find_file(own_volume(image), "next", conf->next, wide);
    EFI_STATUS status;
    bool started;

    if (!volume)
        return EFI_NOT_FOUND;
    if (!handle_path(volume) || !path_append_file(handle_path(volume), wide, path, sizeof path)) {
        say("cede: next = %s: its volume has no usable device path\n", conf->next);
        return EFI_UNSUPPORTED;
    }
    if (!set_options(&program, conf))
        return EFI_INVALID_PARAMETER;
    status = offer_initrd(volume, conf);
    if (EFI_ERROR(status))
        return status;
    if (announce)
        say("cede: next: %s\n", conf->next);
    status = program_start(&program, &started);
    initrd_withdraw();
    return status;
}

EFI_STATUS next_start(EFI_HANDLE image, const struct conf *conf, bool announce)
{
    if (conf->next[0])
        return start_named(image, conf, announce);
    return bootorder_start(image, announce);
}

void next_report(EFI_HANDLE image, const struct conf *conf)
{
    static CHAR16 wide[CONF_PATH];

    if (!conf->next[0]) {
        bootorder_report(image);
        return;
    }
    if (find_file(own_volume(image), "next", conf->next, wide))
        say("cede: next: %s\n", conf->next);
    if (conf->initrd[0] && find_file(own_volume(image), "initrd", conf->initrd, wide))
        say("cede: initrd: %s\n", conf->initrd);
}
