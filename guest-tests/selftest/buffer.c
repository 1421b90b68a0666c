#include "selftest/buffer.h"

#include "uefi/text.h"

void buffer_init(struct buffer *buffer, char *at, size_t size)
{
    *buffer = (struct buffer){.at = at, .size = size};
    at[0] = 0;
}

void buffer_add(struct buffer *buffer, const char *text, size_t size)
{
    size_t room = buffer->size - 1 - buffer->used, length = MIN(size, room);

    __builtin_memcpy(buffer->at + buffer->used, text, length);
    buffer->used += length;
    buffer->at[buffer->used] = 0;
    buffer->cut |= length < size;
}

void buffer_text(struct buffer *buffer, const char *text)
{
    buffer_add(buffer, text, __builtin_strlen(text));
}

void buffer_print(struct buffer *buffer, const char *format, ...)
{
    char line[512];
    va_list args;

    va_start(args, format);
    size_t length = text_format(line, sizeof line, format, args);
    va_end(args);
    buffer_add(buffer, line, length);
}
