/* The store instruction that a guest was stopped at: fetched by way of its page tables, decoded.
 *
 * Both follow from the processor's state and from the words of memory that are read on the way:
 * page-table entries, then the instruction. So what was found is kept with all of them, and holds
 * again where a look at each word finds it as it was. Nothing is ever stale, and nothing needs to
 * be told when a guest changes its tables or its code. A kernel writes to its APIC in one or two
 * places. */
#ifndef CEDE_STORE_FETCH_H
#define CEDE_STORE_FETCH_H

#include "base/asm.h"
#include "x86/known_store.h"

struct code_state;

/* For an exit that is in a hurry: whether what is known of 64-bit code holds at RIP. Of the
 * processor's state only CR3 and CR4 are asked: in long mode no bit of CR0 and EFER has a say in a
 * walk. Four or five levels of tables, or three or four with a large page, and two words of code.
 */
static inline bool store_is_known(const struct known_store *known, u64 rip, u64 cr3, u64 cr4)
{
    u64 value;

    if (known->linear != rip || known->paging.cr3 != cr3 || known->paging.cr4 != cr4 ||
        known->words < STORE_WORDS_LEAST)
        return false;
#pragma GCC unroll 8
    for (u32 i = 0; i < STORE_WORDS; i++) {
        if (i >= STORE_WORDS_LEAST && i == known->words)
            return true;
        if (!read_safe(known->word[i].gpa, &value) || value != known->word[i].value)
            return false;
    }
    return true;
}

/* Likewise where the processor has recorded the instruction's bytes, all that there can be: what
 * they mean depends on nothing but the mode. */
static inline bool store_is_recorded(const struct known_store *known, const u8 bytes[INSN_MAX])
{
    u64 first, last;

    __builtin_memcpy(&first, bytes, 8);
    __builtin_memcpy(&last, bytes + INSN_MAX - 8, 8);
    return known->recorded && first == known->word[0].value && last == known->word[1].value;
}

/* `known`: KNOWN_STORES of them, of the running core. *insn is complete only after INSN_OK. */
enum insn_status store_fetch(struct known_store *known, const struct code_state *code,
                             struct store_insn *insn);

#endif
