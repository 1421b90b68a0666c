/* A spin lock for the slow paths. The exit path's fast part takes none.
 *
 * On processors without VM_CR.R_INIT an INIT resets its target even inside the hypervisor (QEMU's
 * TCG). So whoever sends an INIT holds all locks, the console's, hv/guest/kick.c's, hv_lock, then
 * log_lock: the target cannot die as their owner. */
#ifndef CEDE_LOCK_H
#define CEDE_LOCK_H

#include "base/asm.h"

struct lock {
    volatile u32 held;
};

static inline bool lock_try(struct lock *lock)
{
    return !__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE);
}

static inline void lock(struct lock *lock)
{
    while (!lock_try(lock))
        while (lock->held)
            pause();
}

static inline void unlock(struct lock *lock)
{
    __atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}

#endif
