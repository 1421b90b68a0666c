#include "report.h"
#include "cpu.h"
#include "kept_text.h"
#include <stdarg.h>

enum {
    COM1 = 0x3f8,
    LSR = 5,
    LSR_THRE = 0x20,
    DEBUG_EXIT = 0xf4,
    LINE_SIZE = 240,
};

struct line {
    char text[LINE_SIZE];
    u32 length;
};

struct format {
    bool zero;
    u32 width;
};

static volatile u32 console_lock;
static volatile u32 probe_failed;
static bool any_failed;
static const char *probe_kind, *probe_name, *section = "";
static struct line probe_text;
static struct kept *kept;
static void (*end_machine)(void);

static void put_char(char c)
{
    u32 patience = 100000;
    while (!(inb(COM1 + LSR) & LSR_THRE) && --patience) {
    }
    outb(COM1, (u8)c);
}

static void put_text(const char *text)
{
    while (*text) {
        put_char(*text++);
    }
}

static void keep(const char *text)
{
    if (kept) {
        kept_put(kept, text);
        kept_put(kept, "\n");
    }
}

/* Bounded: a report from an exception that hit the lock's holder must come out as well. */
static void lock(void)
{
    u32 patience = 20000000;
    while (__atomic_exchange_n(&console_lock, 1, __ATOMIC_ACQUIRE) && --patience) {
        pause();
    }
}

static void unlock(void)
{
    __atomic_store_n(&console_lock, 0, __ATOMIC_RELEASE);
}

static void line_char(struct line *line, char c)
{
    if (line->length < LINE_SIZE - 1) {
        line->text[line->length++] = c;
    }
    line->text[line->length] = 0;
}

static void line_text(struct line *line, const char *text, u32 width)
{
    u32 length = 0;
    for (; text[length]; length++) {
        line_char(line, text[length]);
    }
    for (; length < width; length++) {
        line_char(line, ' ');
    }
}

static void line_number(struct line *line, u64 value, u32 base, struct format format)
{
    char digits[24];
    u32 count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    for (u32 i = count; i < format.width; i++) {
        line_char(line, format.zero ? '0' : ' ');
    }
    while (count) {
        line_char(line, digits[--count]);
    }
}

static void line_signed(struct line *line, int64_t value, struct format format)
{
    if (value < 0) {
        line_char(line, '-');
    }
    line_number(line, value < 0 ? -(u64)value : (u64)value, 10, format);
}

static const char *line_item(struct line *line, const char *spec, va_list *args)
{
    struct format format = {.zero = *spec == '0'};
    bool is_long = false;
    for (; *spec >= '0' && *spec <= '9'; spec++) {
        format.width = format.width * 10 + (u32)(*spec - '0');
    }
    for (; *spec == 'l'; spec++) {
        is_long = true;
    }
    switch (*spec) {
    case 's':
        line_text(line, va_arg(*args, const char *), format.width);
        break;
    case 'c':
        line_char(line, (char)va_arg(*args, int));
        break;
    case 'd':
        line_signed(line, is_long ? va_arg(*args, int64_t) : va_arg(*args, int), format);
        break;
    case 'u':
    case 'x':
        line_number(line, is_long ? va_arg(*args, u64) : va_arg(*args, u32), *spec == 'x' ? 16 : 10,
                    format);
        break;
    default:
        line_char(line, *spec);
    }
    return spec + 1;
}

static void line_format(struct line *line, const char *format, va_list *args)
{
    line->length = 0;
    line->text[0] = 0;
    while (*format) {
        if (*format == '%') {
            format = line_item(line, format + 1, args);
        } else {
            line_char(line, *format++);
        }
    }
}

void say(const char *format, ...)
{
    struct line line;
    va_list args;
    va_start(args, format);
    line_format(&line, format, &args);
    va_end(args);
    lock();
    keep(line.text);
    put_text(line.text);
    put_text("\r\n");
    unlock();
}

void test_section(const char *prefix)
{
    section = prefix;
}

const char *test_section_name(void)
{
    return section;
}

void test_begin(const char *name)
{
    probe_kind = "test";
    probe_name = name;
    probe_failed = 0;
}

void test_begin_cede(const char *name)
{
    test_begin(name);
    probe_kind = "test-cede";
}

void test_fail(const char *format, ...)
{
    va_list args;
    if (__atomic_exchange_n(&probe_failed, 1, __ATOMIC_ACQ_REL)) {
        return;
    }
    va_start(args, format);
    line_format(&probe_text, format, &args);
    va_end(args);
}

bool probe_good(void)
{
    return !probe_failed;
}

bool test_end(void)
{
    if (!probe_failed) {
        say("%s: %s%s ok", probe_kind, section, probe_name);
        return true;
    }
    say("%s: %s%s FAILED: %s", probe_kind, section, probe_name, probe_text.text);
    any_failed = true;
    return false;
}

bool all_ok(void)
{
    return !any_failed;
}

void report_into(struct kept *block, void (*end)(void))
{
    kept = block;
    end_machine = end;
}

void finish_with(u8 code)
{
    say("info: done, exit code %u", (u32)code);
    if (end_machine) {
        end_machine();
    }
    outb(DEBUG_EXIT, code);
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

void finish(void)
{
    finish_with(any_failed);
}
