/* A font of 5 by 7 points, drawn for Cede: ASCII 20h to 5Fh. */
#ifndef CEDE_FONT_H
#define CEDE_FONT_H

#include "types.h"

#define FONT_WIDTH  5
#define FONT_HEIGHT 7
#define FONT_FIRST  ' '
#define FONT_GLYPHS 64

/* By columns from the left; bit 0 is the top. */
extern const u8 font[FONT_GLYPHS][FONT_WIDTH];

#endif
