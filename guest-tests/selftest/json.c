#include "selftest/json.h"

static void escaped(struct buffer *out, u8 c)
{
    if (c == '"' || c == '\\')
        buffer_print(out, "\\%c", c);
    else if (c < ' ' || c > '~')
        buffer_print(out, "\\u%04x", (u32)c);
    else
        buffer_add(out, (const char *)&c, 1);
}

void json_string(struct buffer *out, const char *text, size_t size)
{
    buffer_text(out, "\"");
    for (size_t i = 0; i < size; i++)
        escaped(out, (u8)text[i]);
    buffer_text(out, "\"");
}

static size_t line_length(const char *text, size_t size)
{
    size_t length = 0;

    while (length < size && text[length] != '\n')
        length++;
    return length;
}

void json_lines(struct buffer *out, const char *text, size_t size)
{
    buffer_text(out, "[");
    for (size_t at = 0, length; at < size; at += length + 1) {
        length = line_length(text + at, size - at);
        buffer_text(out, at ? ",\n    " : "\n    ");
        json_string(out, text + at, length);
    }
    buffer_text(out, "]");
}
