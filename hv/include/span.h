/* Pieces of a text that is not NUL-terminated, and what the parsers of cede.conf and of policies
 * need of them. */
#ifndef CEDE_SPAN_H
#define CEDE_SPAN_H

#include "types.h"

struct span {
    const char *at, *end;
};

static inline size_t span_length(struct span s)
{
    return (size_t)(s.end - s.at);
}

/* Between words; CR since lines may end with CR LF. */
static inline bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static inline bool span_is(struct span s, const char *text)
{
    while (s.at < s.end && *text && *s.at == *text)
        s.at++, text++;
    return s.at == s.end && !*text;
}

/* Takes one character off the front if it is this one. */
static inline bool span_take(struct span *s, char c)
{
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

static inline u32 digit_of(char c)
{
    return c >= '0' && c <= '9'   ? (u32)(c - '0')
           : c >= 'a' && c <= 'f' ? (u32)(c - 'a' + 10)
           : c >= 'A' && c <= 'F' ? (u32)(c - 'A' + 10)
                                  : 99;
}

/* Takes a number off the front, decimal or hexadecimal with 0x; false if there is none, or one
 * above `max`, which must be at least 15. */
static inline bool span_take_number(struct span *s, u64 max, u64 *out)
{
    u32 base = span_length(*s) > 2 && s->at[0] == '0' && (s->at[1] | 32) == 'x' ? 16 : 10;
    const char *start = s->at += base == 16 ? 2 : 0;
    u64 value = 0;

    for (; s->at < s->end && digit_of(*s->at) < base; s->at++) {
        if (value > (max - digit_of(*s->at)) / base)
            return false;
        value = value * base + digit_of(*s->at);
    }
    *out = value;
    return s->at > start;
}

#endif
