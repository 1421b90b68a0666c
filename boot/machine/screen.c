#include "machine/screen.h"

#include "uefi/uefi.h"

#define ENOUGH MIB(16) /* for a report, so that its page tables have a limit too */

static EFI_GUID output_guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;

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

struct boot_screen screen_find(void)
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
    return screen;
}
