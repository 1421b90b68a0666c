#include "refuse.h"

#include "text.h"
#include "uefi.h"

static const char *prefix = "cede: refused: ";
static unsigned count;

void refuse(const char *format, ...)
{
    static char text[400];
    va_list args;

    count++;
    va_start(args, format);
    text_format(text, sizeof text, format, args);
    va_end(args);
    say_wrapped(prefix, text);
}

void refuse_for_check(void)
{
    prefix = "cede: would refuse: ";
}

unsigned refusals(void)
{
    return count;
}
