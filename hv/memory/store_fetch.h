/* The store instruction that a guest was stopped at: fetched by way of its page tables, decoded.
 *
 * Both follow from the processor's state and from the words of memory that are read on the way:
 * page-table entries, then the instruction. So what was found is kept with all of them, and holds
 * again where a look at each word finds it as it was. Nothing is ever stale, and nothing needs to
 * be told when a guest changes its tables or its code. A kernel writes to its APIC in one or two
 * places. */
#ifndef CEDE_STORE_FETCH_H
#define CEDE_STORE_FETCH_H

#include "x86/known_store.h"

struct code_state;

/* `known`: KNOWN_STORES of them, of the running core. *insn is complete only after INSN_OK. */
enum insn_status store_fetch(struct known_store *known, const struct code_state *code,
                             struct store_insn *insn);

#endif
