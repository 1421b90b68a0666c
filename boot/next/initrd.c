#include "next/initrd.h"

#include "uefi/volume.h"

typedef struct load_file2 {
    EFI_STATUS(EFIAPI *load)
    (struct load_file2 *self, EFI_DEVICE_PATH *path, BOOLEAN boot_policy, UINTN *size,
     void *buffer);
} EFI_LOAD_FILE2;

/* VenMedia(5568e427-68fc-4f3d-ac74-ca555231cc68)/End. */
static u8 initrd_path[] = {
    0x04, 0x03, 20,   0,    0x27, 0xe4, 0x68, 0x55, 0xfc, 0x68, 0x3d, 0x4f,
    0xac, 0x74, 0xca, 0x55, 0x52, 0x31, 0xcc, 0x68, 0x7f, 0xff, 4,    0,
};

static EFI_FILE_HANDLE initrd_file;
static u64 initrd_size;
static EFI_HANDLE initrd_handle;

/* Called with a buffer of size 0 first, to learn the size (UEFI 13.2). */
static EFI_STATUS EFIAPI load_initrd(EFI_LOAD_FILE2 *self, EFI_DEVICE_PATH *path,
                                     BOOLEAN boot_policy, UINTN *size, void *buffer)
{
    (void)self, (void)path;
    if (boot_policy)
        return EFI_UNSUPPORTED;
    if (!size)
        return EFI_INVALID_PARAMETER;
    if (!buffer || *size < initrd_size) {
        *size = initrd_size;
        return EFI_BUFFER_TOO_SMALL;
    }
    *size = initrd_size;
    return file_read(initrd_file, buffer, initrd_size);
}

static EFI_LOAD_FILE2 initrd_protocol = {load_initrd};

EFI_STATUS initrd_offer(EFI_HANDLE volume, const CHAR16 *path)
{
    EFI_STATUS status = volume_open(volume, path, &initrd_file);

    if (EFI_ERROR(status))
        return status;
    status = file_size(initrd_file, &initrd_size);
    if (!EFI_ERROR(status))
        status =
            BS->InstallMultipleProtocolInterfaces(&initrd_handle, &device_path_guid, initrd_path,
                                                  &load_file2_guid, &initrd_protocol, NULL);
    if (EFI_ERROR(status)) {
        initrd_file->Close(initrd_file);
        initrd_handle = NULL;
    }
    return status;
}

void initrd_withdraw(void)
{
    if (!initrd_handle)
        return;
    BS->UninstallMultipleProtocolInterfaces(initrd_handle, &device_path_guid, initrd_path,
                                            &load_file2_guid, &initrd_protocol, NULL);
    initrd_file->Close(initrd_file);
    initrd_handle = NULL;
}
