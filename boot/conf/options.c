#include "conf/options.h"

#include "uefi/bytes.h"

static bool is_separator(u16 c)
{
    return c == ' ' || c == '\t' || c == 0 || c == '"';
}

static u16 char_at(const u8 *data, size_t chars, size_t i)
{
    return i < chars ? get16(data + 2 * i) : 0;
}

static bool word_at(const u8 *data, size_t chars, size_t i, const char *word)
{
    for (; *word; word++, i++)
        if (char_at(data, chars, i) != (u8)*word)
            return false;
    return is_separator(char_at(data, chars, i));
}

bool options_have(const u8 *data, size_t size, const char *word)
{
    size_t chars = size / 2;

    if (!data)
        return false;
    for (size_t i = 0; i < chars; i++)
        if ((i == 0 || is_separator(char_at(data, chars, i - 1))) && word_at(data, chars, i, word))
            return true;
    return false;
}
