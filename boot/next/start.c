#include "next/start.h"

#include "uefi/devpath.h"

static void explain(const struct program *program, EFI_STATUS status)
{
    if (status == EFI_SECURITY_VIOLATION || status == EFI_ACCESS_DENIED)
        say("cede: %s: refused by Secure Boot: sign it with a key that the firmware\n"
            "cede: knows, or enrol its key (docs/secure-boot.md)\n",
            program->name);
    else
        say("cede: %s does not load: %s\n", program->name, status_text(status));
}

static EFI_STATUS load(const struct program *program, EFI_HANDLE *image)
{
    EFI_DEVICE_PATH *path = (EFI_DEVICE_PATH *)(UINTN)program->path;
    /* BootPolicy TRUE is for LoadFile devices, as in network boot (UEFI 7.4.1); shim 16 rejects it.
     */
    bool from_device = !path_find(program->path, PATH_MEDIA, MEDIA_FILE_PATH);
    EFI_STATUS status = BS->LoadImage(from_device, program->parent, path, NULL, 0, image);

    if (!EFI_ERROR(status))
        return status;
    /* An image that fails authentication may stay loaded, to be judged later (UEFI 7.4.1). */
    if (status == EFI_SECURITY_VIOLATION && *image)
        BS->UnloadImage(*image);
    explain(program, status);
    return status;
}

EFI_STATUS program_start(const struct program *program, bool *started)
{
    EFI_HANDLE image = NULL;
    EFI_LOADED_IMAGE *loaded;
    CHAR16 *exit_data = NULL;
    UINTN exit_size = 0;
    EFI_STATUS status = load(program, &image);

    *started = false;
    if (EFI_ERROR(status))
        return status;
    loaded = protocol(image, &loaded_image_guid);
    if (loaded && program->options_size) {
        loaded->LoadOptions = program->options;
        loaded->LoadOptionsSize = program->options_size;
    }
    /* The boot manager's five minutes, which it armed for us, are not the next program's. */
    BS->SetWatchdogTimer(0, 0, 0, NULL);
    *started = true;
    status = BS->StartImage(image, &exit_size, &exit_data);
    if (EFI_ERROR(status))
        say("cede: %s returned: %s (%lx)\n", program->name, status_text(status), (u64)status);
    pool_free(exit_data);
    return status;
}
