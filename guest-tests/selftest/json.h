/* JSON's strings (RFC 8259, 7). The rest of a document is punctuation, which its writer prints.
 * Pure. */
#ifndef CEDE_SELFTEST_JSON_H
#define CEDE_SELFTEST_JSON_H

#include "selftest/buffer.h"

/* The most bytes that one byte of text can become. */
#define JSON_WORST 6

/* `"text"`; bytes that are not ASCII become their Latin-1 character, so that any bytes are valid.
 */
void json_string(struct buffer *out, const char *text, size_t size);

/* An array of the lines of a text. A last line without an end is one, too. */
void json_lines(struct buffer *out, const char *text, size_t size);

#endif
