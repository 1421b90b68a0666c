#include "console/frame.h"

#define MARK_LENGTH   (sizeof(FRAME_MARK) - 1)
#define NUMBER_LENGTH 8
#define SHORTEST      (MARK_LENGTH + NUMBER_LENGTH + 1 + 1 + 1 + NUMBER_LENGTH)
#define FRAME_ENDING  16 /* room for CRC and line end */

u32 frame_crc(u32 crc, u8 byte)
{
    crc ^= byte;
    for (u32 i = 0; i < 8; i++)
        crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
    return crc;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_number(const char *at, u32 *value)
{
    *value = 0;
    for (u32 i = 0; i < NUMBER_LENGTH; i++) {
        if (hex_digit(at[i]) < 0)
            return false;
        *value = *value << 4 | (u32)hex_digit(at[i]);
    }
    return true;
}

static bool has_mark(const char *line)
{
    for (u32 i = 0; i < MARK_LENGTH; i++)
        if (line[i] != FRAME_MARK[i])
            return false;
    return true;
}

static u32 crc_of(const char *text, u32 length)
{
    u32 crc = FRAME_CRC_START;

    for (u32 i = 0; i < length; i++)
        crc = frame_crc(crc, (u8)text[i]);
    return ~crc;
}

bool frame_parse(char *line, u32 length, struct frame *frame)
{
    u32 end = length - NUMBER_LENGTH - 1, crc;

    if (length < SHORTEST || !has_mark(line) || line[end] != ' ' ||
        line[MARK_LENGTH + NUMBER_LENGTH] != ' ' ||
        !parse_number(line + MARK_LENGTH, &frame->sequence) || !parse_number(line + end + 1, &crc))
        return false;
    if (crc != crc_of(line, end))
        return false;
    line[end] = '\0';
    frame->text = line + MARK_LENGTH + NUMBER_LENGTH + 1;
    return true;
}

static void put_hex8(struct out *out, u32 value)
{
    for (u32 shift = 32; shift; shift -= 4)
        out_put(out, "0123456789abcdef"[value >> (shift - 4) & 15]);
}

/* On a line of its own, even when somebody's last line was left unfinished. */
void frame_begin(struct out *out, struct ring *ring, u32 room, u32 sequence)
{
    struct out head = {.ring = ring, .room = room, .crc = FRAME_CRC_START};

    out_puts(&head, "\r\n");
    head.crc = FRAME_CRC_START;
    out_puts(&head, FRAME_MARK);
    put_hex8(&head, sequence);
    out_put(&head, ' ');
    out_start(out, ring, head.room - FRAME_ENDING, false);
    out->crc = head.crc;
    out->json = true;
    out_put(out, '{');
}

void frame_end(struct out *out)
{
    u32 crc;

    out_finish(out);
    crc = ~out->crc;
    out->room += FRAME_ENDING;
    out_put(out, ' ');
    put_hex8(out, crc);
    out_puts(out, "\r\n");
}
