#include <stdlib.h>
#include <string.h>

#include "x86/guest_mem.c"

#define READ_SIZE 9000 /* touches up to four pages */

struct input {
    const u8 *data;
    size_t size;
    u32 reads;
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Memory is the input over and over again (the first bytes of a long read are enough), with holes
 * where an address has bit 20 set. */
static bool read_input(void *context, u64 gpa, void *buffer, u32 size)
{
    struct input *input = context;

    input->reads++;
    require(size >= 1 && (gpa & 4095) + size <= 4096 && gpa < BIT(48));
    memset(buffer, 0, size);
    for (u32 i = 0; i < MIN(size, 8); i++)
        ((u8 *)buffer)[i] = input->data[(gpa + i) % input->size];
    return !(gpa & BIT(20));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct guest_paging paging;
    u64 linear;
    u32 wanted, got;
    u8 *buffer;

    if (size <= sizeof(paging) + sizeof(linear))
        return 0;
    memcpy(&paging, data, sizeof(paging));
    memcpy(&linear, data + sizeof(paging), sizeof(linear));
    wanted = linear % READ_SIZE;
    buffer = malloc(wanted);
    struct input input = {data, size, 0};
    struct guest_memory memory = {read_input, &input, MASK(47, 12)};

    got = guest_read(&memory, &paging, linear, buffer, wanted);
    require(got <= wanted && input.reads <= 4 * 6);
    free(buffer);
    return 0;
}
