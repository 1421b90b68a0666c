/* A bounded queue of bytes; nothing in it allocates or waits. One may put while another takes; two
 * who put, or two who take, need a lock. */
#ifndef CEDE_CONSOLE_RING_H
#define CEDE_CONSOLE_RING_H

#include "types.h"

struct ring {
    u8 *bytes;
    u32 size;    /* a power of two */
    u32 in, out; /* bytes ever put and taken, modulo 2^32 */
};

#define RING(array)                               \
    {                                             \
        .bytes = (array), .size = sizeof((array)) \
    }

static inline u32 ring_used(const struct ring *ring)
{
    return __atomic_load_n(&ring->in, __ATOMIC_ACQUIRE) -
           __atomic_load_n(&ring->out, __ATOMIC_ACQUIRE);
}

static inline u32 ring_room(const struct ring *ring)
{
    return ring->size - ring_used(ring);
}

/* False, and nothing put, when it is full. */
static inline bool ring_put(struct ring *ring, u8 byte)
{
    if (!ring_room(ring))
        return false;
    ring->bytes[ring->in & (ring->size - 1)] = byte;
    __atomic_store_n(&ring->in, ring->in + 1, __ATOMIC_RELEASE);
    return true;
}

static inline bool ring_take(struct ring *ring, u8 *byte)
{
    if (!ring_used(ring))
        return false;
    *byte = ring->bytes[ring->out & (ring->size - 1)];
    __atomic_store_n(&ring->out, ring->out + 1, __ATOMIC_RELEASE);
    return true;
}

static inline void ring_clear(struct ring *ring)
{
    __atomic_store_n(&ring->out, ring->in, __ATOMIC_RELEASE);
}

#endif
