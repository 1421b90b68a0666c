#include "serial/log.h"
#include "serial/wire.h"

#define LINE_LENGTH 256

struct lock log_lock;
static char ring[LOG_RING_SIZE];
static u64 ring_written; /* bytes ever; the ring holds the last LOG_RING_SIZE of them */
static bool panicking;
void (*log_last_words)(const char *line);

void log_panic(void)
{
    panicking = true;
}

static void put_wire(char c)
{
    if (panicking)
        wire_cry(c);
    else
        wire_say(c);
}

static void log_put(char c, bool on_wire)
{
    ring[ring_written++ % LOG_RING_SIZE] = c;
    if (on_wire && c == '\n')
        put_wire('\r');
    if (on_wire)
        put_wire(c);
}

static void log_puts(const char *text, bool on_wire)
{
    for (; *text; text++)
        log_put(*text, on_wire);
}

static bool begins_with(const char *line, const char *word)
{
    while (*word && *line == *word)
        line++, word++;
    return !*word;
}

static void log_take(void)
{
    for (u32 i = 0; !lock_try(&log_lock); i++) {
        if (panicking && i > 10000000)
            return;
        pause();
    }
}

/* What ends a core or the machine begins so. */
static bool is_grave(const char *line)
{
    static const char *const words[] = {"panic:", "fatal:", "triple fault"};

    for (u32 i = 0; i < COUNT(words); i++)
        if (begins_with(line, words[i]))
            return true;
    return false;
}

/* A line of its own even when the guest has left one unfinished on the same wire. */
static void put_line(const char *line, bool on_wire)
{
    log_take();
    log_puts("\ncede: ", on_wire);
    log_puts(line, on_wire);
    log_put('\n', on_wire);
    if (log_last_words && is_grave(line))
        log_last_words(line);
    unlock(&log_lock);
}

void log_line(const char *format, ...)
{
    char line[LINE_LENGTH];
    __builtin_va_list args;

    __builtin_va_start(args, format);
    log_format(line, sizeof(line), format, args);
    __builtin_va_end(args);
    put_line(line, true);
}

void log_note(const char *format, ...)
{
    char line[LINE_LENGTH];
    __builtin_va_list args;

    __builtin_va_start(args, format);
    log_format(line, sizeof(line), format, args);
    __builtin_va_end(args);
    put_line(line, false);
}

static u64 oldest(void)
{
    return ring_written > LOG_RING_SIZE ? ring_written - LOG_RING_SIZE : 0;
}

/* Where the last `count` lines begin: each ends with one line feed and begins with another. */
static u64 start_of(u32 count)
{
    u64 at = ring_written;

    for (u64 ends = 0; at > oldest(); at--) {
        ends += ring[(at - 1) % LOG_RING_SIZE] == '\n';
        if (ends > 2ULL * count)
            break;
    }
    return at;
}

void log_read(u32 count, void (*line)(void *context, const char *text), void *context)
{
    char text[LINE_LENGTH + 8];
    u32 length = 0;

    log_take();
    for (u64 at = start_of(count); at < ring_written; at++) {
        char c = ring[at % LOG_RING_SIZE];

        if (c != '\n' && length < sizeof(text) - 1)
            text[length++] = c;
        if (c != '\n' || !length)
            continue;
        text[length] = '\0';
        length = 0;
        line(context, text);
    }
    unlock(&log_lock);
}
