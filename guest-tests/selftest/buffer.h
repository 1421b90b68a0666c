/* Text that grows in a piece of memory of fixed size; what does not fit is left out, and told.
 * Pure. */
#ifndef CEDE_SELFTEST_BUFFER_H
#define CEDE_SELFTEST_BUFFER_H

#include "types.h"

struct buffer {
    char *at;
    size_t size, used; /* without the NUL that always ends it */
    bool cut;
};

void buffer_init(struct buffer *buffer, char *at, size_t size);
void buffer_add(struct buffer *buffer, const char *text, size_t size);
void buffer_text(struct buffer *buffer, const char *text);

/* Formats as in uefi/text.h. */
void buffer_print(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
