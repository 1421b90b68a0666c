/* Little-endian fields of packed structures, at any alignment. */
#ifndef CEDE_BYTES_H
#define CEDE_BYTES_H

#include "types.h"

static inline u16 get16(const u8 *at)
{
    return (u16)(at[0] | at[1] << 8);
}

static inline u32 get32(const u8 *at)
{
    return get16(at) | (u32)get16(at + 2) << 16;
}

static inline u64 get64(const u8 *at)
{
    return get32(at) | (u64)get32(at + 4) << 32;
}

static inline void put32(u8 *at, u32 value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (u8)(value >> (8 * i));
}

static inline void put64(u8 *at, u64 value)
{
    put32(at, (u32)value);
    put32(at + 4, (u32)(value >> 32));
}

#endif
