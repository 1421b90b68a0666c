/* The hypervisor's own words: a ring in memory, and the console UART. Never called on the fast
 * path. */
#ifndef CEDE_LOG_H
#define CEDE_LOG_H

#include "boot_info.h"
#include "base/lock.h"

#define LOG_RING_SIZE KIB(16)

extern struct lock log_lock;

/* Prints "cede: " and one line. Understands %s %c %u (u64, decimal) %x (u64, hexadecimal) and %%;
 * every number is passed as u64. No newline in the format: each call is one line. */
void log_line(const char *format, ...);

/* The same for what a guest can provoke as often as it likes: each place in the code reports a few
 * times. */
#define LOG_GUEST_REPORTS 4
#define log_guest(...)                     \
    do {                                   \
        static u32 reports;                \
        if (reports < LOG_GUEST_REPORTS) { \
            reports++;                     \
            log_line(__VA_ARGS__);         \
        }                                  \
    } while (0)

/* The same for the ring alone: what an operator has done, who has seen the answer. */
void log_note(const char *format, ...);

/* Calls `line` for each of the last `count` lines of the ring, oldest first. */
void log_read(u32 count, void (*line)(void *context, const char *text), void *context);

/* Formats into `out`, at most `size` bytes with the NUL; returns the length that fitted. */
u32 log_format(char *out, u32 size, const char *format, __builtin_va_list args);

u32 log_text(char *out, u32 size, const char *format, ...);

/* Gets each line of a report that may be the machine's last words, for what outlives it. Under
 * log_lock. */
extern void (*log_last_words)(const char *line);

/* From now on log_line does not wait for log_lock for long: its owner may be the one that died. */
void log_panic(void);

#endif
