/* Text in a kept block (kept.h): what is in it when the machine is reset, or hangs and is reset, is
 * there at the next boot. The self-test's conductor and the guest tests that it starts write one
 * text, one after the other. */
#ifndef CEDE_GUEST_KEPT_TEXT_H
#define CEDE_GUEST_KEPT_TEXT_H

#include "kept.h"

/* To memory: a reset may throw away what only the caches have. */
static inline void kept_flush(const volatile void *at, u64 bytes)
{
    enum { LINE = 64 };

    for (u64 line = ALIGN_DOWN((u64)at, LINE); line < (u64)at + bytes; line += LINE)
        __asm__ volatile("clflush (%0)" ::"r"(line) : "memory");
    __asm__ volatile("mfence" ::: "memory");
}

/* A text, as far as there is room. It counts only once it is all there. One writer at a time. */
static inline void kept_put(struct kept *block, const char *text)
{
    u32 used = kept_used(block), length = 0;

    for (; text[length] && used + length < block->size; length++)
        block->payload[used + length] = (u8)text[length];
    kept_flush(block->payload + used, length);
    block->used = used + length;
    kept_flush(&block->used, sizeof block->used);
}

#endif
