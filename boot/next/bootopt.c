#include "next/bootopt.h"

#include "uefi/bytes.h"
#include "uefi/devpath.h"

/* Attributes (UEFI 3.1.3): applications are started by hotkeys and menus, never by boot order. */
enum { ACTIVE = 0x1, CATEGORY = 0x1f00, CATEGORY_BOOT = 0x0000 };
enum { ATTRIBUTES = 0, PATHS_LENGTH = 4, DESCRIPTION = 6 };

/* Bytes of the description with its NUL; 0 if it does not end. */
static size_t read_name(const u8 *at, size_t size, char name[BOOTOPT_NAME])
{
    for (size_t i = 0; 2 * i + 2 <= size; i++) {
        u16 c = get16(at + 2 * i);
        if (i < BOOTOPT_NAME)
            name[i] = c >= ' ' && c < 127 ? (char)c : c ? '?' : 0;
        if (!c)
            return 2 * i + 2;
    }
    return 0;
}

bool bootopt_parse(const u8 *data, size_t size, struct bootopt *option)
{
    if (size < DESCRIPTION)
        return false;

    u32 attributes = get16(data + ATTRIBUTES); /* bits 31:16 are reserved */
    size_t paths = get16(data + PATHS_LENGTH);
    size_t name = read_name(data + DESCRIPTION, size - DESCRIPTION, option->name);
    size_t path = DESCRIPTION + name;

    option->name[BOOTOPT_NAME - 1] = 0;
    if (!name || paths > size - path || !path_size(data + path, paths))
        return false;
    option->active = (attributes & ACTIVE) && (attributes & CATEGORY) == CATEGORY_BOOT;
    option->path = data + path;
    option->optional = data + path + paths;
    option->optional_size = size - path - paths;
    return true;
}
