#include "selftest/smbios.h"

#include "uefi/bytes.h"

/* Which strings of which structures (7.1, 7.2, 7.3). */
static const struct {
    u8 type, offset;
    const char *name;
} fields[] = {
    {0, 4, "bios.vendor"},   {0, 5, "bios.version"},   {0, 8, "bios.date"},
    {1, 4, "system.vendor"}, {1, 5, "system.product"}, {1, 6, "system.version"},
    {2, 4, "board.vendor"},  {2, 5, "board.product"},  {2, 6, "board.version"},
};

enum { HEADER = 4, END = 127 };

static bool starts_with(const u8 *at, const char *text)
{
    while (*text && *at == (u8)*text)
        at++, text++;
    return !*text;
}

bool smbios_entry(const u8 *entry, size_t size, u64 *table, u32 *length)
{
    if (size >= 24 && starts_with(entry, "_SM3_")) {
        *length = get32(entry + 12);
        *table = get64(entry + 16);
        return true;
    }
    if (size >= 31 && starts_with(entry, "_SM_")) {
        *length = get16(entry + 22);
        *table = get32(entry + 24);
        return true;
    }
    return false;
}

/* String `number`, from 1, of those behind a structure's formatted part; NULL if there is none, or
 * no end. */
static const char *string(const u8 *at, const u8 *end, u8 number)
{
    const u8 *start = at;

    for (; at < end && number; at++) {
        if (*at)
            continue;
        if (at == start)
            return NULL;
        if (!--number)
            return (const char *)start;
        start = at + 1;
    }
    return NULL;
}

/* Behind a structure's strings, which two zero bytes end. */
static const u8 *next(const u8 *at, const u8 *end)
{
    while (at + 1 < end && (at[0] || at[1]))
        at++;
    return at + 2;
}

/* Of several boards the first one counts. */
static void structure_facts(const u8 *at, const u8 *end, u32 *seen,
                            void (*fact)(const char *, const char *))
{
    for (u32 i = 0; i < COUNT(fields); i++) {
        const char *text = NULL;

        if (fields[i].type == at[0] && fields[i].offset < at[1] && !(*seen & BIT(i)))
            text = string(at + at[1], end, at[fields[i].offset]);
        if (!text)
            continue;
        *seen |= (u32)BIT(i);
        fact(fields[i].name, text);
    }
}

void smbios_facts(const u8 *table, size_t size, void (*fact)(const char *name, const char *text))
{
    const u8 *end = table + size;
    u32 seen = 0;

    for (const u8 *at = table; at < end && end - at > HEADER && at[0] != END;
         at = next(at + at[1], end)) {
        if (at[1] < HEADER || at[1] > end - at)
            return;
        structure_facts(at, end, &seen, fact);
    }
}
