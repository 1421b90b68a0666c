/* The line that an operator types: basic editing with echo, for any terminal.
 *
 *     Backspace, DEL   rubs out a character      Ctrl-U   the line         Ctrl-W   a word
 *     Ctrl-P, Up       the line before           Ctrl-L   draws it again   Ctrl-C   drops it
 *
 * Whatever else arrives (line noise, broken UTF-8, function keys) is ignored; a line that is too
 * long is refused as a whole. Frames of programs (frame.h) are not echoed. Pure. */
#ifndef CEDE_CONSOLE_LINE_H
#define CEDE_CONSOLE_LINE_H

#include "serial/ring.h"

#define LINE_SIZE 512 /* with NUL */

struct line {
    char text[LINE_SIZE];   /* NUL-terminated when LINE_DONE was returned */
    char before[LINE_SIZE]; /* the last line that was not a frame */
    u32 length;
    bool long_one; /* bytes were dropped */
    bool after_cr; /* an LF belongs to it */
    u8 escape;     /* progress in a terminal's escape sequence */
    bool started;  /* since the last line was taken */
};

enum line_event {
    LINE_MORE,
    LINE_DONE,     /* `text` is a line; the next byte starts another */
    LINE_TOO_LONG, /* it was dropped */
    LINE_CANCEL,   /* dropped with Ctrl-C */
    LINE_LEAVE,    /* Ctrl-D on an empty line */
};

/* `prompt` is what stands in front of the line when it is drawn again. */
enum line_event line_byte(struct line *line, u8 byte, const char *prompt, struct ring *echo);

/* Forgets what has been typed; the line before is kept. */
void line_reset(struct line *line);

static inline bool line_is_frame(const struct line *line)
{
    return line->length && line->text[0] == '@';
}

#endif
