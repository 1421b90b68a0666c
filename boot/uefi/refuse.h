/* A refusal: one clear reason why Cede does not start, and what to do about it. `cede.efi --check`
 * runs the same judgements, and then reports and counts them. */
#ifndef CEDE_REFUSE_H
#define CEDE_REFUSE_H

#include "types.h"

/* Prints "cede: refused: ..." (when checking "cede: would refuse: ..."), in lines of at most 80
 * columns. */
void refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Likewise "cede: warning: ...": Cede starts nevertheless. */
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* From here on refusals are reported as such of a check. */
void refuse_for_check(void);

/* How many there were. */
unsigned refusals(void);

#endif
