/* What a guest test says, and where: lines on COM1, straight at the UART, so that they also come
 * out after ExitBootServices and from any core.
 *
 *     test: NAME ok | test: NAME FAILED: what    the same bare and under Cede
 *     test-cede: NAME ...                        judged only under Cede
 *     info: ...                                  may differ
 */
#ifndef CEDE_GUEST_REPORT_H
#define CEDE_GUEST_REPORT_H

#include "types.h"

struct kept;

/* From here on lines go into a kept block, too, and `end` ends the machine. */
void report_into(struct kept *block, void (*end)(void));

/* One line; the newline is added. Understands %s %c %d %u %x with widths, a leading 0 and l. Any
 * core. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A probe: begin, any number of expectations on any core, end. The first failure's text is kept. */
void test_begin(const char *name);
void test_section(
    const char *prefix); /* before the names of the probes that follow, e.g. "early-" */
void test_begin_cede(const char *name);
const char *test_section_name(void);
void test_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool test_end(void);
bool probe_good(void); /* so far */

#define expect(condition, ...) ((condition) ? (void)0 : test_fail(__VA_ARGS__))

/* Whether every probe so far was ok. */
bool all_ok(void);

/* Ends the machine, through QEMU's isa-debug-exit if nothing else was said: 0 when all probes were
 * ok, else 1. */
void finish(void) __attribute__((noreturn));
void finish_with(u8 code) __attribute__((noreturn));

#endif
