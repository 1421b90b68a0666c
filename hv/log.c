#include "log.h"
#include "uart.h"

struct lock log_lock;
static struct boot_uart console;
static char ring[LOG_RING_SIZE];
static u64 ring_written; /* bytes ever; the ring holds the last LOG_RING_SIZE of them */
static bool panicking;

void log_init(const struct boot_uart *uart)
{
    console = *uart;
    uart_init(&console);
}

void log_panic(void)
{
    panicking = true;
}

static void log_put(char c)
{
    ring[ring_written++ % LOG_RING_SIZE] = c;
    uart_put(&console, c);
}

static void log_puts(const char *text)
{
    for (; *text; text++)
        log_put(*text);
}

static void log_take(void)
{
    for (u32 i = 0; !lock_try(&log_lock); i++) {
        if (panicking && i > 10000000)
            return;
        pause();
    }
}

void log_line(const char *format, ...)
{
    char line[160];
    __builtin_va_list args;

    __builtin_va_start(args, format);
    log_format(line, sizeof(line), format, args);
    __builtin_va_end(args);

    log_take();
    /* A line of its own even when the guest has left one unfinished on the same wire. */
    log_puts("\ncede: ");
    log_puts(line);
    log_put('\n');
    unlock(&log_lock);
}
