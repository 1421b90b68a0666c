/* What is kept of a store instruction that was fetched and decoded once (memory/store_fetch.h),
 * with every word of memory that it follows from. */
#ifndef CEDE_KNOWN_STORE_H
#define CEDE_KNOWN_STORE_H

#include "x86/guest_mem.h"
#include "x86/insn.h"

#define KNOWN_STORES      4
#define STORE_WORDS       7 /* tables of five levels; 15 bytes in one page */
#define STORE_WORDS_LEAST 4 /* in long mode: a page of 1 GiB, four levels */

struct known_word {
    u64 gpa, value;
};

/* All zero: nothing is known. */
struct known_store {
    u64 linear;
    struct guest_paging paging;
    struct store_insn insn;
    u8 mode;       /* enum code_mode */
    u8 words;      /* how many of the following */
    bool recorded; /* by the processor: `words` is 0, and two values are the bytes' first and last 8
                    */
    struct known_word word[STORE_WORDS];
};

/* Where an INIT resets the core in the middle of the hypervisor (hv/base/lock.h), one of them may
 * be half written. */
static inline void known_stores_forget(struct known_store *known)
{
    for (u32 i = 0; i < KNOWN_STORES; i++)
        known[i].words = known[i].recorded = 0;
}

#endif
