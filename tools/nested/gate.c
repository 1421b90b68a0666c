/* gate.efi: the firmware of bed N's machine starts it, and it waits until the machine's second disk
 * is there: until that has a boot sector, which at first it has not. Meanwhile the whole emulated
 * machine is saved, so that later runs begin here. Then it fails, and the firmware goes on to its
 * next boot option, which is that disk. */
#include <efi.h>

enum {
    SECTOR = 512,
    SIGNATURE_AT = 510,
    SIGNATURE = 0xaa55,
    POLL = 200000 /* 20 ms in units of 100 ns */
};

static EFI_BOOT_SERVICES *boot;
static EFI_GUID block_io = EFI_BLOCK_IO_PROTOCOL_GUID,
                loaded_image = EFI_LOADED_IMAGE_PROTOCOL_GUID;

static void *protocol(EFI_HANDLE handle, EFI_GUID *guid)
{
    void *interface = NULL;
    return EFI_ERROR(boot->HandleProtocol(handle, guid, &interface)) ? NULL : interface;
}

static BOOLEAN has_boot_sector(EFI_HANDLE disk)
{
    static UINT8 sector[SECTOR] __attribute__((aligned(SECTOR)));
    EFI_BLOCK_IO *io = protocol(disk, &block_io);
    return io && io->Media->BlockSize == SECTOR &&
           !EFI_ERROR(io->ReadBlocks(io, io->Media->MediaId, 0, SECTOR, sector)) &&
           (sector[SIGNATURE_AT] | sector[SIGNATURE_AT + 1] << 8) == SIGNATURE;
}

static BOOLEAN other_disk(EFI_HANDLE own)
{
    EFI_HANDLE disks[8];
    UINTN size = sizeof disks;
    if (EFI_ERROR(boot->LocateHandle(ByProtocol, &block_io, NULL, &size, disks)))
        return FALSE;
    for (UINTN i = 0; i < size / sizeof disks[0]; i++) {
        if (disks[i] != own && has_boot_sector(disks[i]))
            return TRUE;
    }
    return FALSE;
}

static void wait_a_moment(void)
{
    EFI_EVENT timer;
    UINTN which;
    boot->CreateEvent(EVT_TIMER, TPL_APPLICATION, NULL, NULL, &timer);
    boot->SetTimer(timer, TimerRelative, POLL);
    boot->WaitForEvent(1, &timer, &which);
    boot->CloseEvent(timer);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    boot = table->BootServices;
    EFI_LOADED_IMAGE *self = protocol(image, &loaded_image);
    boot->SetWatchdogTimer(0, 0, 0, NULL);
    table->ConOut->OutputString(table->ConOut, (CHAR16 *)u"gate: waiting\r\n");
    while (!other_disk(self->DeviceHandle))
        wait_a_moment();
    return EFI_NOT_READY;
}
