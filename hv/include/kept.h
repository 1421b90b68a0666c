/* A kept block: memory that outlives a warm reset, so that the next boot can say what happened in
 * the last one. Shared by hv/, boot/ and guest-tests/: plain C without dependencies. Who wrote it
 * may have died at any instruction, and whoever came later may have written over any part of it: a
 * reader believes nothing but what kept_is_whole() has judged, and `used` never beyond the payload.
 *
 * A reset may throw away what only the caches have (SDM 10.1.1): a writer has to flush its lines.
 *
 * It lies at a multiple of KEPT_ALIGN, at KEPT_LOWEST or above and below 4 GiB, as low as there is
 * room: firmware allocates from the top down, and what it unpacks at fixed places lies lower. */
#ifndef CEDE_KEPT_H
#define CEDE_KEPT_H

#include "types.h"

#define KEPT_MAGIC                                                                \
    0x317470656b656443ULL /* "Cdekept1", little-endian: a new layout, a new digit \
                           */
#define KEPT_ALIGN MIB(2)
/* Below are firmware's fixed places, and what a kernel takes that is unpacked at 16 MiB, as after a
 * kexec, without a look at the memory map (60 MiB of Debian's). */
#define KEPT_LOWEST MIB(256)
#define KEPT_LIMIT  MIB(64) /* of a block: none is as large */

enum kept_kind {
    KEPT_CEDE = 1, /* Cede's panic reports, and its trace: struct kept_cede */
    KEPT_STEP = 2, /* text of a step of the self-test */
};

struct kept {
    u64 magic;
    u64 base;          /* where it lies, so that a copy somewhere else is none */
    u32 kind;          /* enum kept_kind */
    u32 size;          /* bytes of payload[] */
    u32 serial;        /* the higher of two of a kind is the newer */
    u32 check;         /* of all above */
    volatile u32 used; /* bytes of text at the start of payload[] */
    u32 reserved[7];   /* payload[] begins with a cache line of its own */
    u8 payload[];
};

/* An exit; a cache line. */
struct kept_exit {
    u64 tsc, rip, rax, rcx;
    u64 info, address; /* AMD: EXITINFO1 and 2; Intel: qualification, guest-physical address */
    u32 reason;        /* EXITCODE; exit reason */
    u32 cs;
    u32 number; /* counts the core's, from 1 on; 0: nothing is here */
    u32 reserved;
};

#define KEPT_TEXT  KIB(16)
#define KEPT_EXITS 32

/* The payload of KEPT_CEDE. There is a ring for each core, or none. */
struct kept_cede {
    char text[KEPT_TEXT]; /* lines; header.used bytes of it */
    struct kept_exit rings[][KEPT_EXITS];
};

/* FNV-1a of the part that does not change: it is to find accidents, nobody's intent. */
static inline u32 kept_check(const struct kept *block)
{
    const u8 *bytes = (const u8 *)block;
    u32 hash = 2166136261U;

    for (u32 i = 0; i < offsetof(struct kept, check); i++)
        hash = (hash ^ bytes[i]) * 16777619U;
    return hash;
}

/* Whether there is a block at `base`, which lies in the `room` bytes of memory at `block`. */
static inline bool kept_is_whole(const struct kept *block, u64 base, u64 room)
{
    return room >= sizeof(*block) && block->magic == KEPT_MAGIC && block->base == base &&
           block->size <= MIN(room, KEPT_LIMIT) - sizeof(*block) &&
           block->check == kept_check(block);
}

/* Of a whole block of kind KEPT_CEDE; its text may be cut off, its rings are all there. */
static inline u32 kept_rings(const struct kept *block)
{
    u32 size = block->size;

    return size < KEPT_TEXT ? 0 : (size - (u32)KEPT_TEXT) / sizeof(struct kept_exit[KEPT_EXITS]);
}

static inline void kept_begin(struct kept *block, u64 base, u32 kind, u32 size, u32 serial)
{
    block->magic = KEPT_MAGIC;
    block->base = base;
    block->kind = kind;
    block->size = size;
    block->serial = serial;
    block->used = 0;
    block->check = kept_check(block);
}

/* Bytes of text that can be read, whatever `used` says. */
static inline u32 kept_used(const struct kept *block)
{
    u32 used = block->used;

    return MIN(used, block->size);
}

/* Bytes of Cede's text that can be read. */
static inline u32 kept_text_used(const struct kept *cede)
{
    return MIN(kept_used(cede), (u32)KEPT_TEXT);
}

#define KEPT_LINE 256 /* no line of Cede's is longer */

/* The line at `at` of Cede's text, of which kept_text_used() bytes can be read: as far as it fits;
 * whatever was written there since, no byte ends it. Returns where the next one begins. */
static inline u32 kept_next_line(const struct kept *cede, u32 at, char line[KEPT_LINE])
{
    const struct kept_cede *payload = (const void *)cede->payload;
    u32 end = kept_text_used(cede), length = 0;

    for (; at < end && payload->text[at] != '\n'; at++)
        if (length < KEPT_LINE - 1)
            line[length++] = payload->text[at] ? payload->text[at] : '?';
    line[length] = 0;
    return at + 1;
}

#endif
