#include "host/screen.h"
#include "base/asm.h"
#include "host/font.h"
#include "hv.h"

enum { CELL_WIDTH = FONT_WIDTH + 1, CELL_HEIGHT = FONT_HEIGHT + 2, COLUMNS = 106 };

#define COMMAND        4 /* PCI configuration space */
#define COMMAND_MEMORY BIT(1)

static u32 row; /* the next one */

/* Screen points for each of the font's, so that a large screen can be read from a chair. */
static u32 scale(const struct boot_screen *screen)
{
    return MAX(1U, screen->width / (COLUMNS * CELL_WIDTH));
}

static const u8 *glyph_of(char c)
{
    u32 index = (u32)(u8)(c >= 'a' && c <= 'z' ? c - 32 : c) - FONT_FIRST;

    return font[index < FONT_GLYPHS ? index : '?' - FONT_FIRST];
}

static bool is_set(const u8 *glyph, u32 x, u32 y)
{
    return x < FONT_WIDTH && (glyph[x] >> y & 1);
}

static void draw(const struct boot_screen *screen, u32 left, u32 top, const u8 *glyph)
{
    volatile u32 *points = (volatile u32 *)screen->base;
    u32 by = scale(screen);

    for (u32 y = 0; y < CELL_HEIGHT * by; y++)
        for (u32 x = 0; x < CELL_WIDTH * by; x++)
            points[(u64)(top + y) * screen->pitch + left + x] =
                is_set(glyph, x / by, y / by) ? ~0U : 0;
}

/* One row; returns what has not fitted. */
static const char *draw_row(const struct boot_screen *screen, const char *text)
{
    u32 by = scale(screen), left = 0;
    u32 top = row++ * CELL_HEIGHT * by;

    for (; *text && left + CELL_WIDTH * by <= screen->width; left += CELL_WIDTH * by)
        draw(screen, left, top, glyph_of(*text++));
    return text;
}

static bool has_room(const struct boot_screen *screen)
{
    u32 by = scale(screen);

    return screen->width >= CELL_WIDTH * by && (row + 1) * CELL_HEIGHT * by <= screen->height;
}

/* A partition's tables do not have it, and its troubles are not the firmware's guest's to see. */
static bool is_mapped(void)
{
    return hv.lean_cr3 == hv.host_cr3 || read_cr3() != hv.lean_cr3;
}

/* Where an OS has moved the device, or switched it off, somebody else's registers may be there.
 * What it has done to the mode is not known. */
static bool is_there(const struct boot_screen *screen)
{
    const volatile u32 *bar = (const volatile u32 *)screen->bar;
    const volatile u32 *command =
        (const volatile u32 *)(ALIGN_DOWN(screen->bar, PAGE_SIZE) + COMMAND);

    if (!bar)
        return true;
    return (*command & COMMAND_MEMORY) && bar[0] == (u32)screen->bar_value &&
           (screen->bar_bits == 32 || bar[1] == screen->bar_value >> 32);
}

void screen_line(const char *text)
{
    const struct boot_screen *screen = &hv.info->screen;

    if (!screen->width || !is_mapped() || !is_there(screen))
        return;
    do {
        if (!has_room(screen))
            return;
        text = draw_row(screen, text);
    } while (*text);
}
