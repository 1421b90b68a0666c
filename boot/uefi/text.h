/* Text without a C library: formatting, and the UTF-8 of cede.conf as the UTF-16 of UEFI. */
#ifndef CEDE_TEXT_H
#define CEDE_TEXT_H

#include <stdarg.h>

#include "types.h"

/* Formats into out[size], cut short if need be, always NUL-terminated. Knows %c %s %ls (UTF-16, not
 * ASCII becomes '?') %d %u %x %lu %lx %%, each with an optional '-', '0' and width.
 * Returns the length of what was stored. */
size_t text_format(char *out, size_t size, const char *format, va_list args);

/* The same with the arguments in place. */
size_t text_print(char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* UTF-8 to NUL-terminated UTF-16; false if it is malformed or longer than out[count]. */
bool text_to_utf16(const char *text, u16 *out, size_t count);

bool text_equal(const char *a, const char *b);

/* Whether two UTF-16 texts are equal, ASCII letter case aside, as FAT and UEFI compare file names.
 */
bool text_same_path(const u16 *a, const u16 *b);

#endif
