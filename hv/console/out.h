/* The answers of the console's commands, each described once and rendered twice: as text of at most
 * 80 columns for people, longer ones continued, as one JSON object for programs.
 *
 *     out_number(out, "cores", 4)        cores           4        {"cores":4,
 *     out_table(out, &table)             core  state               "list":[
 *     out_row(out), cell_...             0     running             {"core":0,"state":"running"}]
 *     out_finish(out)                                             ,"ok":true}
 *
 * Everything goes to a ring, so that nobody waits for the wire. What does not fit is left out by
 * whole rows, and the answer says so. */
#ifndef CEDE_CONSOLE_OUT_H
#define CEDE_CONSOLE_OUT_H

#include "serial/ring.h"

#define OUT_WIDTH    79  /* of a line of text: terminals wrap at 80 */
#define OUT_SENTENCE 256 /* with NUL: of what was done, or why not */

enum column_kind { COLUMN_TEXT, COLUMN_NUMBER };

struct column {
    const char *name; /* as in JSON; in text '_' is shown as a blank */
    u8 width;         /* in text; longer values push what follows to the right */
    u8 kind;          /* enum column_kind: text is aligned left, numbers right */
};

struct table {
    const char *name;
    const struct column *columns;
    u32 count;
};

struct out {
    struct ring *ring;
    u32 room; /* bytes that may still be put */
    bool json;
    bool failed, cut;
    bool comma; /* JSON: a member came before */
    bool row;   /* a row is open */
    bool skip;  /* of a row for which there was no room */
    u8 cell;    /* the next one's number */
    u32 used;   /* columns of the line, in text */
    u32 crc;    /* of all bytes put, running (frame.h) */
    const struct table *table;
    char said[OUT_SENTENCE]; /* the last of out_say() or out_fail(), for the log */
};

/* At most `room` bytes, which must be free in the ring. */
void out_start(struct out *out, struct ring *ring, u32 room, bool json);

/* Outside tables: one named fact each. */
void out_text(struct out *out, const char *name, const char *value);
void out_number(struct out *out, const char *name, u64 value);
void out_hex(struct out *out, const char *name, u64 value);
void out_flag(struct out *out, const char *name, bool value);

/* What was done, or why not; once per answer. Formats as log_format() does. */
void out_say(struct out *out, const char *format, ...);
void out_fail(struct out *out, const char *format, ...);

/* Rows until out_end(). Each has a cell for each column, in their order. */
void out_table(struct out *out, const struct table *table);
void out_row(struct out *out);
void cell_text(struct out *out, const char *value);
void cell_number(struct out *out, u64 value);
void cell_hex(struct out *out, u64 value);
void out_end(struct out *out);

void out_finish(struct out *out);

/* Raw bytes, for prompts and frames. */
void out_put(struct out *out, char c);
void out_puts(struct out *out, const char *text);

#endif
