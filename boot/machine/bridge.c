#include "machine/bridge.h"

#include "uefi/bytes.h"

enum { QWORD_TAG = 0x8a, QWORD_LENGTH = 0x2b, TYPE = 3, MINIMUM = 14, LENGTH = 38 };
enum { TYPE_MEMORY = 0, MAX_DESCRIPTORS = 64 };

u64 bridge_memory_top(const u8 *list)
{
    u64 top = 0;

    for (unsigned i = 0; i < MAX_DESCRIPTORS; i++, list += 3 + QWORD_LENGTH) {
        if (list[0] != QWORD_TAG || get16(list + 1) != QWORD_LENGTH)
            break;
        u64 base = get64(list + MINIMUM), size = get64(list + LENGTH);
        if (list[TYPE] == TYPE_MEMORY && size && base + size > base)
            top = MAX(top, base + size);
    }
    return top;
}
