/* Load options are whatever somebody wrote: reading them stays within bounds, what is named can be
 * printed, and the word --check anywhere among them is seen. */
#include <stdlib.h>
#include <string.h>

#include "conf/options.c"

static void check_one(const u8 *data, size_t size, bool named, bool told)
{
    struct options options;

    options_read(data, size, named, &options);
    if ((told && !options.check) || options.junk > size || (options.junk && options.unknown[0]))
        abort();
    for (const char *c = options.unknown; *c; c++)
        if (!is_printable((u8)*c))
            abort();
}

/* ` --check ` put in at a place that the input chooses, in characters of a width that it chooses.
 */
static void check_told(const u8 *data, size_t size, size_t width)
{
    const char *word = " " CHECK " ";
    size_t length = strlen(word) * width, at = data[0] % (size + 1);
    u8 *told = calloc(1, size + length);

    memcpy(told, data, at);
    for (size_t i = 0; word[i]; i++)
        told[at + i * width] = (u8)word[i];
    memcpy(told + at + length, data + at, size - at);
    check_one(told, size + length, data[0] & 1, true);
    free(told);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    check_one(data, size, false, false);
    check_one(data, size, true, false);
    if (size) {
        check_told(data, size, 1);
        check_told(data, size, 2);
    }
    return 0;
}
