#include "console/out.h"
#include "console/frame.h"
#include "serial/log.h"

#define NAME_WIDTH 16  /* of a fact's name in text */
#define ENDING     256 /* kept free for what closes an answer */
#define ROW_LIMIT  512 /* no row is longer */
#define CONTINUED  "\r\n  "

void out_put(struct out *out, char c)
{
    if (!out->room || !ring_put(out->ring, (u8)c)) {
        out->cut = true;
        return;
    }
    out->room--;
    out->crc = frame_crc(out->crc, (u8)c);
    out->used = c == '\n' || c == '\r' ? 0 : out->used + 1;
}

void out_puts(struct out *out, const char *text)
{
    for (; *text; text++)
        out_put(out, *text);
}

static void put_line_end(struct out *out)
{
    out_puts(out, "\r\n");
}

static void put_format(struct out *out, const char *format, ...)
{
    char text[32];
    __builtin_va_list args;

    __builtin_va_start(args, format);
    log_format(text, sizeof(text), format, args);
    __builtin_va_end(args);
    out_puts(out, text);
}

static u32 word_length(const char *text)
{
    u32 n = 0;

    while (text[n] && text[n] != ' ')
        n++;
    return n;
}

/* Printable ASCII only, whatever a guest has written: a terminal must not be driven by it. What a
 * line has no room for goes on in the next, from a blank on if there is one. */
static void put_shown(struct out *out, const char *text)
{
    for (; *text; text++) {
        bool blank = *text == ' ';

        if (out->used + (blank ? word_length(text + 1) : 0) >= OUT_WIDTH)
            out_puts(out, CONTINUED);
        else if (blank)
            out_put(out, ' ');
        if (!blank)
            out_put(out, *text > ' ' && *text <= '~' ? *text : '?');
    }
}

static void put_escape(struct out *out, u8 c)
{
    out_puts(out, "\\u00");
    out_put(out, "0123456789abcdef"[c >> 4]);
    out_put(out, "0123456789abcdef"[c & 15]);
}

static void put_quoted(struct out *out, const char *text)
{
    out_put(out, '"');
    for (; *text; text++) {
        if (*text < ' ' || *text > '~') {
            put_escape(out, (u8)*text);
            continue;
        }
        if (*text == '"' || *text == '\\')
            out_put(out, '\\');
        out_put(out, *text);
    }
    out_put(out, '"');
}

static void put_blanks(struct out *out, u32 count)
{
    while (count-- && out->used < OUT_WIDTH)
        out_put(out, ' ');
}

static u32 length(const char *text)
{
    u32 n = 0;

    while (text[n])
        n++;
    return n;
}

void out_start(struct out *out, struct ring *ring, u32 room, bool json)
{
    *out = (struct out){.ring = ring, .room = room - ENDING, .json = json, .crc = FRAME_CRC_START};
    if (json)
        out_put(out, '{');
}

/* Member names come from the code: nothing in them needs quoting. */
static void put_member(struct out *out, const char *name)
{
    if (out->comma)
        out_put(out, ',');
    out->comma = true;
    out_put(out, '"');
    out_puts(out, name);
    out_puts(out, "\":");
}

static void put_name(struct out *out, const char *name)
{
    u32 n = length(name);

    for (; *name; name++)
        out_put(out, *name == '_' ? ' ' : *name);
    put_blanks(out, n < NAME_WIDTH ? NAME_WIDTH - n : 1);
}

static void fact(struct out *out, const char *name, const char *value, bool quoted)
{
    if (out->json) {
        put_member(out, name);
        if (quoted)
            put_quoted(out, value);
        else
            out_puts(out, value);
        return;
    }
    put_name(out, name);
    put_shown(out, value);
    put_line_end(out);
}

static const char *to_text(char buffer[24], const char *format, ...)
{
    __builtin_va_list args;

    __builtin_va_start(args, format);
    log_format(buffer, 24, format, args);
    __builtin_va_end(args);
    return buffer;
}

void out_text(struct out *out, const char *name, const char *value)
{
    fact(out, name, value, true);
}

void out_number(struct out *out, const char *name, u64 value)
{
    char buffer[24];

    fact(out, name, to_text(buffer, "%u", value), false);
}

/* A string in JSON: its numbers lose bits above 2^53 in many readers. */
void out_hex(struct out *out, const char *name, u64 value)
{
    char buffer[24];

    fact(out, name, to_text(buffer, "0x%x", value), true);
}

void out_flag(struct out *out, const char *name, bool value)
{
    if (out->json)
        fact(out, name, value ? "true" : "false", false);
    else
        fact(out, name, value ? "yes" : "no", false);
}

static void sentence(struct out *out, const char *name)
{
    if (out->json) {
        put_member(out, name);
        put_quoted(out, out->said);
        return;
    }
    if (out->failed)
        out_puts(out, "error: ");
    put_shown(out, out->said);
    put_line_end(out);
}

void out_say(struct out *out, const char *format, ...)
{
    __builtin_va_list args;

    __builtin_va_start(args, format);
    log_format(out->said, sizeof(out->said), format, args);
    __builtin_va_end(args);
    sentence(out, "message");
}

void out_fail(struct out *out, const char *format, ...)
{
    __builtin_va_list args;

    if (out->failed)
        return;
    out->failed = true;
    __builtin_va_start(args, format);
    log_format(out->said, sizeof(out->said), format, args);
    __builtin_va_end(args);
    sentence(out, "error");
}

/* The last column is not padded, and needs no alignment. */
static void put_padded(struct out *out, const char *text)
{
    const struct column *column = &out->table->columns[out->cell];
    u32 n = length(text), pad = n < column->width ? column->width - n : 0;
    bool last = out->cell + 1U == out->table->count;

    if (column->kind == COLUMN_NUMBER)
        put_blanks(out, pad);
    put_shown(out, text);
    if (!last)
        put_blanks(out, 2 + (column->kind == COLUMN_TEXT ? pad : 0));
    out->cell++;
}

static void put_heading(struct out *out)
{
    char name[24];

    for (u32 i = 0; i < out->table->count; i++) {
        const char *from = out->table->columns[i].name;
        u32 n = 0;

        for (; from[n] && n < sizeof(name) - 1; n++)
            name[n] = from[n] == '_' ? ' ' : from[n];
        name[n] = '\0';
        put_padded(out, name);
    }
    put_line_end(out);
}

/* A table of one column is a list, and needs no heading. */
void out_table(struct out *out, const struct table *table)
{
    out->table = table;
    out->cell = 0;
    out->row = false;
    if (out->json) {
        put_member(out, table->name);
        out_put(out, '[');
        out->comma = false;
    } else if (table->count > 1) {
        put_heading(out);
    }
}

static void close_row(struct out *out)
{
    if (!out->row)
        return;
    if (out->json)
        out_put(out, '}');
    else
        put_line_end(out);
    out->row = false;
}

void out_row(struct out *out)
{
    close_row(out);
    out->skip = out->room < ROW_LIMIT;
    out->cut |= out->skip;
    if (out->skip)
        return;
    if (out->json)
        out_puts(out, out->comma ? ",{" : "{");
    out->comma = true;
    out->row = true;
    out->cell = 0;
}

static void cell(struct out *out, const char *value, bool quoted)
{
    if (out->skip || !out->row || out->cell >= out->table->count)
        return;
    if (!out->json) {
        put_padded(out, value);
        return;
    }
    out->comma = out->cell;
    put_member(out, out->table->columns[out->cell++].name);
    if (quoted)
        put_quoted(out, value);
    else
        out_puts(out, value);
}

void cell_text(struct out *out, const char *value)
{
    cell(out, value, true);
}

void cell_number(struct out *out, u64 value)
{
    char buffer[24];

    cell(out, to_text(buffer, "%u", value), false);
}

void cell_hex(struct out *out, u64 value)
{
    char buffer[24];

    cell(out, to_text(buffer, "0x%x", value), true);
}

void out_end(struct out *out)
{
    close_row(out);
    if (out->json)
        out_put(out, ']');
    out->comma = true;
    out->skip = false;
    out->table = NULL;
}

void out_finish(struct out *out)
{
    out->room += ENDING;
    if (!out->json) {
        if (out->cut)
            out_puts(out, "(more does not fit)\r\n");
        return;
    }
    if (out->cut) {
        put_member(out, "cut");
        out_puts(out, "true");
    }
    put_member(out, "ok");
    put_format(out, "%s}", out->failed ? "false" : "true");
}
