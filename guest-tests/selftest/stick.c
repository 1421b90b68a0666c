#include "selftest/stick.h"

#include "uefi/text.h"
#include "uefi/volume.h"

enum { PATH_SIZE = 64, LIMIT = MIB(1) };

static EFI_HANDLE volume;

void stick_init(EFI_HANDLE image)
{
    EFI_LOADED_IMAGE *self = protocol(image, &loaded_image_guid);

    volume = self ? self->DeviceHandle : NULL;
}

static const CHAR16 *wide(const char *path)
{
    static CHAR16 text[PATH_SIZE];

    return text_to_utf16(path, text, PATH_SIZE) ? text : L"";
}

bool stick_has(const char *path)
{
    return volume_has(volume, wide(path));
}

EFI_STATUS stick_read(const char *path, void **data, u64 *size)
{
    return volume_read(volume, wide(path), LIMIT, data, size);
}

static EFI_STATUS open(const char *path, EFI_FILE_HANDLE *file)
{
    EFI_FILE_IO_INTERFACE *io = protocol(volume, &file_system_guid);
    EFI_FILE_HANDLE root;
    EFI_STATUS status = io ? io->OpenVolume(io, &root) : EFI_NOT_FOUND;

    if (EFI_ERROR(status))
        return status;
    status = root->Open(root, file, (CHAR16 *)wide(path),
                        EFI_FILE_MODE_READ | EFI_FILE_MODE_WRITE | EFI_FILE_MODE_CREATE, 0);
    root->Close(root);
    return status;
}

static EFI_STATUS put(EFI_FILE_HANDLE file, u64 offset, const void *data, size_t size)
{
    UINTN written = size;
    EFI_STATUS status = file->SetPosition(file, offset);

    if (!EFI_ERROR(status))
        status = file->Write(file, &written, (void *)data);
    if (!EFI_ERROR(status) && written != size)
        status = EFI_VOLUME_FULL;
    return EFI_ERROR(status) ? status : file->Flush(file);
}

/* Closing writes, too; but what it says is no error of the data. */
EFI_STATUS stick_write(const char *path, const void *data, size_t size)
{
    EFI_FILE_HANDLE file;
    EFI_STATUS status = open(path, &file);

    if (EFI_ERROR(status))
        return status;
    status = put(file, 0, data, size);
    file->Close(file);
    return status;
}

EFI_STATUS stick_append(const char *path, size_t back, const void *data, size_t size)
{
    EFI_FILE_HANDLE file;
    u64 end = 0;
    EFI_STATUS status = open(path, &file);

    if (EFI_ERROR(status))
        return status;
    status = file_size(file, &end);
    if (!EFI_ERROR(status))
        status = put(file, end < back ? 0 : end - back, data, size);
    file->Close(file);
    return status;
}

void stick_remove(const char *path)
{
    EFI_FILE_HANDLE file;

    if (!EFI_ERROR(open(path, &file)))
        file->Delete(file);
}
