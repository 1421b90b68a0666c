/* The store instruction that a guest was stopped at: fetched by way of its page tables, decoded.
 *
 * Both follow from the processor's state and from the words of memory that are read on the way:
 * page-table entries, then the instruction. So what was found is kept with all of them, and holds
 * again where a look at each word finds it as it was. Nothing is ever stale, and nothing needs to
 * be told when a guest changes its tables or its code. A kernel writes to its APIC in one or two
 * places. */
#ifndef CEDE_GUEST_STORE_H
#define CEDE_GUEST_STORE_H

#include "guest_mem.h"
#include "insn.h"

#define KNOWN_STORES 4
#define STORE_WORDS  7 /* tables of five levels; 15 bytes in one page */

struct known_word {
    u64 gpa, value;
};

/* All zero: nothing is known. */
struct known_store {
    u64 linear;
    struct guest_paging paging;
    struct store_insn insn;
    u8 mode;  /* enum code_mode */
    u8 words; /* how many of the following */
    struct known_word word[STORE_WORDS];
};

struct code_state;

/* `known`: KNOWN_STORES of them, of the running core. *insn is complete only after INSN_OK. */
enum insn_status guest_store(struct known_store *known, const struct code_state *code,
                             struct store_insn *insn);

/* Where an INIT resets the core in the middle of the hypervisor (hv/lock.h), one of them may be
 * half written. */
static inline void guest_store_forget(struct known_store *known)
{
    for (u32 i = 0; i < KNOWN_STORES; i++)
        known[i].words = 0;
}

#endif
