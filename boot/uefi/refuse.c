#include "uefi/refuse.h"

#include "uefi/text.h"
#include "uefi/uefi.h"

static const char *prefix = "cede: refused: ";
static unsigned count;

static void report(const char *start, const char *format, va_list args)
{
    static char text[400];

    text_format(text, sizeof text, format, args);
    say_wrapped(start, text);
}

void refuse(const char *format, ...)
{
    va_list args;

    count++;
    va_start(args, format);
    report(prefix, format, args);
    va_end(args);
}

void warn(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    report("cede: warning: ", format, args);
    va_end(args);
}

void refuse_for_check(void)
{
    prefix = "cede: would refuse: ";
}

unsigned refusals(void)
{
    return count;
}
