#include "machine/screen.h"

#include "uefi/uefi.h"

#define ENOUGH MIB(16) /* for a report, so that its page tables have a limit too */

#define BAR_BASE MASK(63, 4)

/* PCI 6.2.5.1 */
enum { FIRST_BAR = 0x10, BARS = 6, BAR_IO = 1, BAR_TYPE = 7, BAR_64 = 4 };

static EFI_GUID output_guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
static EFI_GUID device_guid = EFI_PCI_IO_PROTOCOL_GUID;

/* Other formats have no frame buffer, or pixels of other sizes (UEFI 12.9.2.1). */
static bool is_linear(const EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE *mode)
{
    const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *info = mode->Info;

    return mode->FrameBufferBase && info->HorizontalResolution &&
           info->PixelsPerScanLine >= info->HorizontalResolution &&
           (info->PixelFormat == PixelRedGreenBlueReserved8BitPerColor ||
            info->PixelFormat == PixelBlueGreenRedReserved8BitPerColor);
}

static struct boot_screen describe(const EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE *mode)
{
    u64 line = mode->Info->PixelsPerScanLine * 4ULL;
    u64 lines = MIN(MIN(mode->FrameBufferSize, ENOUGH) / line, mode->Info->VerticalResolution);

    return (struct boot_screen){.base = mode->FrameBufferBase,
                                .size = lines * line,
                                .width = mode->Info->HorizontalResolution,
                                .height = (u32)lines,
                                .pitch = mode->Info->PixelsPerScanLine};
}

/* Of all memory BARs the last one up to the frame buffer is the one that it is in. */
static void try_bar(u64 address, u64 value, bool wide, struct boot_screen *screen)
{
    u64 base = value & BAR_BASE;

    if ((value & BAR_IO) || base > screen->base || base <= (screen->bar_value & BAR_BASE))
        return;
    screen->bar = address;
    screen->bar_value = value;
    screen->bar_bits = wide ? 64 : 32;
}

static void try_device(EFI_PCI_IO_PROTOCOL *device, u64 pci, struct boot_screen *screen)
{
    UINTN segment, bus, slot, function;
    u32 bars[BARS + 1] = {0};

    if (EFI_ERROR(device->GetLocation(device, &segment, &bus, &slot, &function)) || segment ||
        EFI_ERROR(device->Pci.Read(device, EfiPciIoWidthUint32, FIRST_BAR, BARS, bars)))
        return;
    pci += (bus << 20 | slot << 15 | function << 12) + FIRST_BAR;
    for (u32 i = 0; i < BARS; i++) {
        bool wide = (bars[i] & BAR_TYPE) == BAR_64;

        try_bar(pci + 4 * i, bars[i] | (wide ? (u64)bars[i + 1] << 32 : 0), wide, screen);
        i += wide;
    }
}

static void find_bar(u64 pci, struct boot_screen *screen)
{
    UINTN count;
    EFI_HANDLE *handles = handles_with(&device_guid, &count);

    for (UINTN i = 0; i < count; i++) {
        EFI_PCI_IO_PROTOCOL *device = protocol(handles[i], &device_guid);

        if (device)
            try_device(device, pci, screen);
    }
    pool_free(handles);
}

struct boot_screen screen_find(u64 pci)
{
    UINTN count;
    EFI_HANDLE *handles = handles_with(&output_guid, &count);
    struct boot_screen screen = {0};

    for (UINTN i = 0; i < count && !screen.width; i++) {
        const EFI_GRAPHICS_OUTPUT_PROTOCOL *output = protocol(handles[i], &output_guid);

        if (output && output->Mode && output->Mode->Info && is_linear(output->Mode))
            screen = describe(output->Mode);
    }
    pool_free(handles);
    if (screen.width && pci)
        find_bar(pci, &screen);
    return screen;
}
