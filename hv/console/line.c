#include "console/line.h"

enum {
    CTRL_C = 3,
    CTRL_D = 4,
    BELL = 7,
    BACKSPACE = 8,
    LF = 10,
    CTRL_L = 12,
    CR = 13,
    CTRL_P = 16,
    CTRL_U = 21,
    CTRL_W = 23,
    ESC = 27,
    DEL = 127
};

/* ECMA-48 5.4: ESC [ parameters final, or ESC O final. */
enum { ESCAPE_NONE, ESCAPE_BEGUN, ESCAPE_PARAMETERS };

static void echo_text(struct ring *echo, const char *text)
{
    for (; *text; text++)
        ring_put(echo, (u8)*text);
}

void line_reset(struct line *line)
{
    line->length = 0;
    line->long_one = false;
    line->escape = ESCAPE_NONE;
}

static void rub_out(struct line *line, struct ring *echo)
{
    if (!line->length)
        return;
    if (!line_is_frame(line))
        echo_text(echo, "\b \b");
    line->length--;
}

static void rub_out_word(struct line *line, struct ring *echo)
{
    while (line->length && line->text[line->length - 1] == ' ')
        rub_out(line, echo);
    while (line->length && line->text[line->length - 1] != ' ')
        rub_out(line, echo);
}

static void rub_out_all(struct line *line, struct ring *echo)
{
    while (line->length)
        rub_out(line, echo);
    line->long_one = false;
}

static void add(struct line *line, char c, struct ring *echo)
{
    if (line->length == LINE_SIZE - 1) {
        if (!line->long_one && !line_is_frame(line))
            ring_put(echo, BELL);
        line->long_one = true;
        return;
    }
    line->text[line->length++] = c;
    if (!line_is_frame(line))
        ring_put(echo, (u8)c);
}

static void recall(struct line *line, struct ring *echo)
{
    rub_out_all(line, echo);
    for (const char *c = line->before; *c; c++)
        add(line, *c, echo);
}

static void redraw(const struct line *line, const char *prompt, struct ring *echo)
{
    echo_text(echo, "\r\n");
    echo_text(echo, prompt);
    for (u32 i = 0; i < line->length; i++)
        ring_put(echo, (u8)line->text[i]);
}

static enum line_event finish(struct line *line, struct ring *echo)
{
    bool too_long = line->long_one;

    line->text[line->length] = '\0';
    if (!line_is_frame(line)) {
        echo_text(echo, "\r\n");
        for (u32 i = 0; line->length && !too_long && i <= line->length; i++)
            line->before[i] = line->text[i];
    }
    line->long_one = false;
    line->started = false;
    return too_long ? LINE_TOO_LONG : LINE_DONE;
}

static enum line_event cancel(struct line *line, struct ring *echo)
{
    line_reset(line);
    echo_text(echo, "^C\r\n");
    return LINE_CANCEL;
}

static void escape_byte(struct line *line, u8 byte, struct ring *echo)
{
    if (line->escape == ESCAPE_BEGUN) {
        line->escape = byte == '[' || byte == 'O' ? ESCAPE_PARAMETERS : ESCAPE_NONE;
        return;
    }
    if (byte >= 0x20 && byte < 0x40) /* parameter and intermediate bytes */
        return;
    line->escape = ESCAPE_NONE;
    if (byte == 'A')
        recall(line, echo);
}

static void edit(struct line *line, u8 byte, const char *prompt, struct ring *echo)
{
    switch (byte) {
    case BACKSPACE:
    case DEL:
        rub_out(line, echo);
        return;
    case CTRL_U:
        rub_out_all(line, echo);
        return;
    case CTRL_W:
        rub_out_word(line, echo);
        return;
    case CTRL_P:
        recall(line, echo);
        return;
    case CTRL_L:
        redraw(line, prompt, echo);
        return;
    case ESC:
        line->escape = ESCAPE_BEGUN;
        return;
    default:
        if (byte >= ' ' && byte <= '~')
            add(line, (char)byte, echo);
    }
}

enum line_event line_byte(struct line *line, u8 byte, const char *prompt, struct ring *echo)
{
    bool lf_of_cr = byte == LF && line->after_cr;

    line->after_cr = byte == CR;
    if (lf_of_cr)
        return LINE_MORE;
    if (!line->started) {
        line_reset(line);
        line->started = true;
    }
    if (byte == CR || byte == LF)
        return finish(line, echo);
    if (byte == CTRL_C)
        return cancel(line, echo);
    if (line->escape) {
        escape_byte(line, byte, echo);
        return LINE_MORE;
    }
    if (byte == CTRL_D && !line->length)
        return LINE_LEAVE;
    edit(line, byte, prompt, echo);
    return LINE_MORE;
}
