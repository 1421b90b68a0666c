#include "uefi/text.h"

struct output {
    char *at, *end; /* `end` keeps room for the NUL */
};

struct field {
    bool left, zero, is_long;
    unsigned width;
};

static void put_char(struct output *out, char c)
{
    if (out->at < out->end)
        *out->at++ = c;
}

static void put_fill(struct output *out, char c, unsigned count)
{
    while (count--)
        put_char(out, c);
}

static void put_padded(struct output *out, const char *text, size_t length, struct field field)
{
    unsigned fill = field.width > length ? field.width - (unsigned)length : 0;

    if (!field.left)
        put_fill(out, field.zero ? '0' : ' ', fill);
    for (size_t i = 0; i < length; i++)
        put_char(out, text[i]);
    if (field.left)
        put_fill(out, ' ', fill);
}

static void put_number(struct output *out, u64 value, unsigned base, bool minus, struct field field)
{
    char digits[24];
    char *at = digits + sizeof digits;

    do
        *--at = "0123456789abcdef"[value % base];
    while (value /= base);
    if (minus)
        *--at = '-';
    put_padded(out, at, (size_t)(digits + sizeof digits - at), field);
}

static void put_text(struct output *out, const char *text, struct field field)
{
    size_t length = 0;

    text = text ? text : "(none)";
    while (text[length])
        length++;
    field.zero = false;
    put_padded(out, text, length, field);
}

static void put_utf16(struct output *out, const u16 *text, struct field field)
{
    unsigned length = 0;

    for (; text && text[length]; length++)
        put_char(out, text[length] >= ' ' && text[length] < 127 ? (char)text[length] : '?');
    if (field.left && field.width > length)
        put_fill(out, ' ', field.width - length);
}

static const char *parse_field(const char *at, struct field *field)
{
    *field = (struct field){0};
    for (; *at == '-' || *at == '0'; at++)
        *(*at == '-' ? &field->left : &field->zero) = true;
    for (; *at >= '0' && *at <= '9' && field->width < 1000; at++)
        field->width = field->width * 10 + (unsigned)(*at - '0');
    if (*at == 'l') {
        field->is_long = true;
        at++;
    }
    return at;
}

size_t text_format(char *out, size_t size, const char *format, va_list args)
{
    struct output to = {out, out + size - 1};

    for (const char *at = format; *at; at++) {
        struct field field;
        int number;

        if (*at != '%') {
            put_char(&to, *at);
            continue;
        }
        at = parse_field(at + 1, &field);
        switch (*at) {
        case 'c':
            put_char(&to, (char)va_arg(args, int));
            break;
        case 's':
            if (field.is_long)
                put_utf16(&to, va_arg(args, const u16 *), field);
            else
                put_text(&to, va_arg(args, const char *), field);
            break;
        case 'd':
            number = va_arg(args, int);
            put_number(&to, number < 0 ? 0 - (u64)number : (u64)number, 10, number < 0, field);
            break;
        case 'u':
        case 'x':
            put_number(&to, field.is_long ? va_arg(args, u64) : va_arg(args, unsigned),
                       *at == 'u' ? 10 : 16, false, field);
            break;
        case 0:
            at--;
            break;
        default:
            put_char(&to, *at);
        }
    }
    *to.at = 0;
    return (size_t)(to.at - out);
}

size_t text_print(char *out, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    size_t length = text_format(out, size, format, args);
    va_end(args);
    return length;
}

/* One code point; 0 if malformed, overlong, a surrogate or too large (Unicode 3.9, table 3-7). */
static u32 utf8_next(const u8 **at)
{
    static const u32 smallest[] = {0, 0x80, 0x800, 0x10000};
    const u8 *p = *at;
    unsigned more = *p < 0x80 ? 0 : *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : 1;
    u32 code = more ? *p & (0x3fU >> more) : *p;

    if (*p >= 0xf8 || (*p & 0xc0) == 0x80)
        return 0;
    for (unsigned i = 1; i <= more; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    *at += more + 1;
    return code < smallest[more] || code > 0x10ffff || (code >> 11) == 0x1b ? 0 : code;
}

bool text_to_utf16(const char *text, u16 *out, size_t count)
{
    const u8 *at = (const u8 *)text;
    size_t used = 0;

    while (*at) {
        u32 code = utf8_next(&at);
        if (!code || used + 3 > count)
            return false;
        if (code > 0xffff) {
            out[used++] = (u16)(0xd7c0 + (code >> 10));
            code = 0xdc00 | (code & 0x3ff);
        }
        out[used++] = (u16)code;
    }
    if (used >= count)
        return false;
    out[used] = 0;
    return true;
}

bool text_equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static u16 upper(u16 c)
{
    return c >= 'a' && c <= 'z' ? (u16)(c - 32) : c;
}

bool text_same_path(const u16 *a, const u16 *b)
{
    while (*a && upper(*a) == upper(*b))
        a++, b++;
    return upper(*a) == upper(*b);
}
