/* The line protocol of programs: version 1. A frame is one line of printable ASCII, so that it
 * passes terminals, serial-over-LAN and whatever a guest prints around it:
 *
 *     @cede/1 SEQ TEXT CRC
 *
 * SEQ     8 hexadecimal digits, chosen by the program, returned with the answer
 * TEXT    a command as it would be typed; in an answer one JSON object
 * CRC     8 hexadecimal digits: CRC-32 (IEEE 802.3) of all that stands between '@' and the blank
 *         before it, '@' included
 *
 * A line that starts with '@' and is no valid frame is answered with SEQ 00000000 and an error, so
 * that the program sends it again at once. docs/console.md has the whole. */
#ifndef CEDE_CONSOLE_FRAME_H
#define CEDE_CONSOLE_FRAME_H

#include "console/out.h"

#define FRAME_MARK      "@cede/1 "
#define FRAME_CRC_START 0xffffffffU

/* One more byte; the CRC is the complement of the last result. */
u32 frame_crc(u32 crc, u8 byte);

struct frame {
    u32 sequence;
    char *text; /* NUL-terminated, inside the line */
};

/* Takes a line apart, in place. False if it is no frame, or a damaged one. */
bool frame_parse(char *line, u32 length, struct frame *frame);

/* An answer: what is put in between is TEXT, and must be one JSON object. */
void frame_begin(struct out *out, struct ring *ring, u32 room, u32 sequence);
void frame_end(struct out *out);

#endif
