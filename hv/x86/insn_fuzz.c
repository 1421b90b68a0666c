#include <stdlib.h>
#include <string.h>

#include "x86/insn.c"

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Byte 0 is the mode; the rest, in a buffer of exactly its size, the instruction. */
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct store_insn insn, again;
    u8 *bytes;
    enum code_mode mode;
    enum insn_status status;

    if (size < 1)
        return 0;
    mode = data[0] % 3;
    bytes = malloc(size);
    memcpy(bytes, data + 1, size - 1);
    status = insn_decode_store(bytes, size - 1, mode, &insn);
    require(status != INSN_TOO_LONG || size - 1 >= INSN_MAX);
    require(status != INSN_TRUNCATED || size - 1 < INSN_MAX);
    if (status == INSN_OK) {
        require(insn.length >= 2 && insn.length <= MIN(size - 1, INSN_MAX));
        require(insn.reg < 16 && insn.kind <= STORE_XOR && (mode == CODE_64 || insn.reg < 8));
        require(insn_decode_store(bytes, insn.length, mode, &again) == INSN_OK);
        require(memcmp(&insn, &again, sizeof(insn)) == 0);
        for (u32 count = 0; count < insn.length; count++)
            require(insn_decode_store(bytes, count, mode, &again) == INSN_TRUNCATED);
    }
    free(bytes);
    return 0;
}
