#include "conf/options.h"

#define CHECK "--check"

/* Bytes as characters of one width, low byte first. */
struct text {
    const u8 *data;
    size_t size, width;
};

/* Of the character at this byte what is there: 0 outside, and in the half that an odd size leaves
 * out. */
static u32 char_at(const struct text *text, size_t at)
{
    size_t left = at < text->size ? text->size - at : 0;
    u32 low = left ? text->data[at] : 0;

    return text->width == 2 && left > 1 ? low | (u32)text->data[at + 1] << 8 : low;
}

static bool is_printable(u32 c)
{
    return c >= ' ' && c <= '~';
}

static bool is_quote(u32 c)
{
    return c == '"' || c == '\'';
}

static bool is_space(u32 c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_between(u32 c)
{
    return is_space(c) || is_quote(c);
}

/* --- --check, anywhere --------------------------------------------------------------------------
 */
static bool is_edge(u32 c)
{
    return !is_printable(c) || is_between(c);
}

static bool check_at(const struct text *text, size_t at)
{
    size_t end = at;

    for (const char *c = CHECK; *c; c++, end += text->width)
        if (char_at(text, end) != (u8)*c)
            return false;
    return is_edge(char_at(text, at - text->width)) && is_edge(char_at(text, end));
}

/* At odd places too: some firmware passes the whole boot option, its description and path included.
 */
static bool check_in(const struct text *text)
{
    for (size_t at = 0; at < text->size; at++)
        if (check_at(text, at))
            return true;
    return false;
}

/* --- what is text --------------------------------------------------------------------------------
 */
static u32 utf8_tail(u32 lead)
{
    return lead < 0xc2 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : 0;
}

static bool is_utf8(const struct text *text)
{
    u32 tail = 0;

    for (size_t at = 0; at < text->size; at++) {
        u32 c = char_at(text, at);

        if (tail ? (c & 0xc0) != 0x80 : c >= 0x80 && !utf8_tail(c))
            return false;
        if (!tail && !is_printable(c) && c < 0x80 && !is_space(c))
            return false;
        tail = tail ? tail - 1 : utf8_tail(c);
    }
    return !tail;
}

/* Half of it ASCII, at least: any pair of bytes is a character of some script. */
static bool is_utf16(const struct text *text)
{
    size_t ascii = 0;

    for (size_t at = 0; at < text->size; at += 2) {
        u32 c = char_at(text, at);

        if (!is_printable(c) && !is_space(c) && (c < 0xa0 || c >= 0xfffe))
            return false;
        ascii += c < 0x80;
    }
    return 4 * ascii >= text->size;
}

/* A text's end may be padded. */
static void trim(struct text *text)
{
    while (text->size && !text->data[text->size - 1])
        text->size--;
}

static void skip_mark(struct text *text)
{
    const u8 *data = text->data;
    size_t mark = text->size >= 3 && data[0] == 0xef && data[1] == 0xbb && data[2] == 0xbf ? 3
                  : text->size >= 2 && data[0] == 0xff && data[1] == 0xfe                  ? 2
                                                                                           : 0;

    text->data += mark;
    text->size -= mark;
}

static bool find_text(struct text *text)
{
    trim(text);
    skip_mark(text);
    text->width = 1;
    if (is_utf8(text))
        return true;
    text->width = 2;
    return is_utf16(text);
}

/* --- words --------------------------------------------------------------------------------------
 */
static bool ends_in_efi(const struct text *text, size_t end)
{
    for (const char *c = "ife."; *c; c++)
        if ((char_at(text, end -= text->width) | 0x20) != (u8)(*c | 0x20))
            return false;
    return true;
}

/* Behind the program's name at `at`, which may be quoted; `at` when it is none. */
static size_t after_program(const struct text *text, size_t at, bool named)
{
    u32 quote = is_quote(char_at(text, at)) ? char_at(text, at) : 0;
    size_t end = quote ? at + text->width : at;

    while (end < text->size &&
           (quote ? char_at(text, end) != quote : !is_space(char_at(text, end))))
        end += text->width;
    return (named && char_at(text, at) != '-') || ends_in_efi(text, end) ? end : at;
}

static size_t after_spaces(const struct text *text)
{
    size_t at = 0;

    while (is_space(char_at(text, at)))
        at += text->width;
    return at;
}

static void note_unknown(const struct text *text, size_t at, size_t end, struct options *options)
{
    size_t length = 0;

    for (; at < end && length < sizeof options->unknown - 1; at += text->width) {
        u32 c = char_at(text, at);

        options->unknown[length++] = is_printable(c) ? (char)c : '?';
    }
    options->unknown[length] = '\0';
}

static void judge_words(const struct text *text, bool named, struct options *options)
{
    size_t at = after_program(text, after_spaces(text), named), end;

    for (; at < text->size && !options->unknown[0]; at = end) {
        while (at < text->size && is_between(char_at(text, at)))
            at += text->width;
        for (end = at; end < text->size && !is_between(char_at(text, end));)
            end += text->width;
        if (at < end && !check_at(text, at))
            note_unknown(text, at, end, options);
    }
}

void options_read(const u8 *data, size_t size, bool named, struct options *options)
{
    struct text narrow = {data, data ? size : 0, 1}, wide = {data, data ? size : 0, 2};

    *options = (struct options){.check = check_in(&narrow) || check_in(&wide)};
    if (find_text(&narrow))
        judge_words(&narrow, named, options);
    else
        options->junk = size;
}
