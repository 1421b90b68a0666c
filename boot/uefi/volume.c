#include "uefi/volume.h"

#include "uefi/devpath.h"

EFI_STATUS volume_open(EFI_HANDLE volume, const CHAR16 *path, EFI_FILE_HANDLE *file)
{
    EFI_FILE_IO_INTERFACE *io = protocol(volume, &file_system_guid);
    EFI_FILE_HANDLE root;
    EFI_STATUS status;

    if (!io)
        return EFI_NOT_FOUND;
    status = io->OpenVolume(io, &root);
    if (EFI_ERROR(status))
        return status;
    status = root->Open(root, file, (CHAR16 *)path, EFI_FILE_MODE_READ, 0);
    root->Close(root);
    return status;
}

bool volume_has(EFI_HANDLE volume, const CHAR16 *path)
{
    EFI_FILE_HANDLE file;
    u64 size;
    bool found;

    if (EFI_ERROR(volume_open(volume, path, &file)))
        return false;
    found = !EFI_ERROR(file_size(file, &size));
    file->Close(file);
    return found;
}

/* SetPosition(-1) goes to the end, and fails for a directory (UEFI 13.5). */
EFI_STATUS file_size(EFI_FILE_HANDLE file, u64 *size)
{
    EFI_STATUS status = file->SetPosition(file, ~0ULL);

    if (EFI_ERROR(status))
        return status;
    return file->GetPosition(file, size);
}

EFI_STATUS file_read_at(EFI_FILE_HANDLE file, u64 offset, void *buffer, u64 size)
{
    UINTN got = size;
    EFI_STATUS status = file->SetPosition(file, offset);

    if (EFI_ERROR(status))
        return status;
    status = file->Read(file, &got, buffer);
    if (EFI_ERROR(status))
        return status;
    return got == size ? EFI_SUCCESS : EFI_DEVICE_ERROR;
}

EFI_STATUS file_read(EFI_FILE_HANDLE file, void *buffer, u64 size)
{
    return file_read_at(file, 0, buffer, size);
}

static EFI_STATUS read_open(EFI_FILE_HANDLE file, u64 limit, void **data, u64 *size)
{
    EFI_STATUS status = file_size(file, size);

    if (EFI_ERROR(status))
        return status;
    if (*size > limit)
        return EFI_BAD_BUFFER_SIZE;
    *data = pool_alloc(*size + 1);
    if (!*data)
        return EFI_OUT_OF_RESOURCES;
    status = file_read(file, *data, *size);
    if (EFI_ERROR(status))
        pool_free(*data);
    return status;
}

EFI_STATUS volume_read(EFI_HANDLE volume, const CHAR16 *path, u64 limit, void **data, u64 *size)
{
    EFI_FILE_HANDLE file;
    EFI_STATUS status = volume_open(volume, path, &file);

    if (EFI_ERROR(status))
        return status;
    status = read_open(file, limit, data, size);
    file->Close(file);
    return status;
}

EFI_HANDLE volume_find(EFI_HANDLE first, const CHAR16 *path)
{
    UINTN count;
    EFI_HANDLE *volumes, found = NULL;

    if (first && volume_has(first, path))
        return first;
    volumes = handles_with(&file_system_guid, &count);
    for (UINTN i = 0; i < count && !found; i++)
        if (volume_has(volumes[i], path))
            found = volumes[i];
    pool_free(volumes);
    return found;
}

void volume_connect_all(void)
{
    UINTN count = 0;
    EFI_HANDLE *handles;

    if (EFI_ERROR(BS->LocateHandleBuffer(AllHandles, NULL, NULL, &count, &handles)))
        return;
    for (UINTN i = 0; i < count; i++)
        BS->ConnectController(handles[i], NULL, NULL, TRUE);
    pool_free(handles);
}

const u8 *handle_path(EFI_HANDLE handle)
{
    const u8 *path = protocol(handle, &device_path_guid);

    return path && path_size(path, PATH_LIMIT) ? path : NULL;
}
