#include "serial/log.h"

struct text {
    char *out;
    u32 length, size;
};

static void put(struct text *text, char c)
{
    if (text->length + 1 < text->size)
        text->out[text->length++] = c;
}

static void put_string(struct text *text, const char *string)
{
    for (; *string; string++)
        put(text, *string);
}

static void put_number(struct text *text, u64 value, u32 base)
{
    char digits[20];
    u32 n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (n)
        put(text, digits[--n]);
}

u32 log_format(char *out, u32 size, const char *format, __builtin_va_list args)
{
    struct text text = {out, 0, size};

    for (; *format; format++) {
        if (*format != '%') {
            put(&text, *format);
            continue;
        }
        switch (*++format) {
        case 's':
            put_string(&text, __builtin_va_arg(args, const char *));
            break;
        case 'c':
            put(&text, (char)__builtin_va_arg(args, int));
            break;
        case 'u':
            put_number(&text, __builtin_va_arg(args, u64), 10);
            break;
        case 'x':
            put_number(&text, __builtin_va_arg(args, u64), 16);
            break;
        case '\0':
            format--;
            break;
        default:
            put(&text, *format);
        }
    }
    out[text.length] = '\0';
    return text.length;
}

u32 log_text(char *out, u32 size, const char *format, ...)
{
    __builtin_va_list args;
    u32 length;

    __builtin_va_start(args, format);
    length = log_format(out, size, format, args);
    __builtin_va_end(args);
    return length;
}
