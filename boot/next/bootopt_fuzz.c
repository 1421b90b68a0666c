/* Boot#### variables are whatever someone wrote: parsing one and using its path stays within
 * bounds. */
#include <stdlib.h>

#include "next/bootopt.c"
#include "uefi/devpath.c"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct bootopt option;
    u16 file[64];
    u8 out[128];

    if (!bootopt_parse(data, size, &option))
        return 0;
    if (option.optional + option.optional_size != data + size)
        abort();
    path_file(option.path, file, COUNT(file));
    path_disk(option.path, out, sizeof out);
    path_append_file(option.path, (const u16[]){'\\', 'x', 0}, out, sizeof out);
    const u8 *hd = path_find(option.path, PATH_MEDIA, MEDIA_HARD_DRIVE);
    if (hd)
        path_same_partition(hd, option.path);
    if (!path_after(option.path, option.path))
        abort();
    return 0;
}
