/* Whether a panic is on the screen: its first letter, at the top left, in the font's points. */
#include "faulty.h"
#include "machine.h"
#include "report.h"

#define FONT_POINTS 106 * 6 /* of hv/host/screen.c: columns and points of a line */

static struct {
    volatile u32 *points;
    u32 pitch, scale;
} screen;

void screen_find(void)
{
    EFI_GUID guid = {0x9042a9de, 0x23dc, 0x4a38, {0x96, 0xfb, 0x7a, 0xde, 0xd0, 0x80, 0x51, 0x6a}};
    EFI_GRAPHICS_OUTPUT_PROTOCOL *output = NULL;
    machine.firmware->BootServices->LocateProtocol(&guid, NULL, (void **)&output);
    if (!output) {
        return;
    }
    screen.points = (volatile u32 *)output->Mode->FrameBufferBase;
    screen.pitch = output->Mode->Info->PixelsPerScanLine;
    screen.scale = MAX(1U, output->Mode->Info->HorizontalResolution / (FONT_POINTS));
}

static u32 point_at(u32 x, u32 y)
{
    return screen.points[y * screen.scale * screen.pitch + x * screen.scale];
}

void screen_probe(void)
{
    static const char *const letter[] = {"####.", "#...#", "#...#", "####.",
                                         "#....", "#....", "#...."};
    test_begin("panic-on-the-screen");
    expect(screen.points, "the firmware has no screen");
    for (u32 y = 0; screen.points && y < COUNT(letter); y++) {
        for (u32 x = 0; letter[y][x]; x++) {
            expect(point_at(x, y) == (letter[y][x] == '#' ? ~0U : 0), "point %u %u is %x", x, y,
                   point_at(x, y));
        }
    }
    test_end();
}
