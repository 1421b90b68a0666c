/* Names of events to their encodings and back: perf's generic names, some of perf's own spellings,
 * and everything that libpfm4 knows. */
#ifndef CEDE_POLICY_NAMES_H
#define CEDE_POLICY_NAMES_H

#include "cpus.h"

/* Bits of a selector that do not say what is counted. */
#define SELECTOR_IDLE (EVTSEL_USR | EVTSEL_OS | EVTSEL_INT | EVTSEL_EN | MASK(41, 40))

struct encoding {
    u64 selector; /* without SELECTOR_IDLE */
    bool fixed_only;
    u32 fixed;    /* fixed counters that count it too, as bits */
    bool has_aux; /* ... and needs this register: */
    enum policy_aux_register aux;
    u64 value;
};

enum name_verdict { NAME_FOUND, NAME_UNKNOWN, NAME_NEEDS_UMASK };

/* `name` as INST_RETIRED:ANY_P or inst_retired.any_p, in any case. */
enum name_verdict name_encode(const struct processor *processor, const char *name,
                              struct encoding *out);

/* Calls back for every event of a processor, for each of its umasks. */
typedef void name_visitor(void *context, const struct processor *processor, const char *name,
                          const struct encoding *encoding);
void name_each(const struct processor *processor, name_visitor *visit, void *context);

/* Same event and umasks, whatever the modifiers. */
bool encoding_same_event(enum vendor vendor, u64 a, u64 b);

/* Prints the names that are nearest to one that nobody has, in one line. */
void name_suggest(const struct processors *processors, const char *name, char *out, size_t size);

#endif
