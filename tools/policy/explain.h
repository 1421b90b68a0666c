/* What a policy says of a raw code, and what the code is called. */
#ifndef CEDE_POLICY_EXPLAIN_H
#define CEDE_POLICY_EXPLAIN_H

#include "compile.h"

/* A raw code, and the value of the register that its event needs, if it was given. */
struct question {
    u64 code;
    bool has_value;
    u64 value;
};

/* Prints the answer for one vendor; true if the code is allowed. `family` is AMD's. */
bool explain(const struct compiled *compiled, const struct processors *processors,
             enum vendor vendor, unsigned family, const struct question *question, FILE *to);

/* Only the decision, and the rule that made it (NULL: none did). */
bool explain_decide(const struct compiled *compiled, const struct policy_cpu *cpu, u64 code,
                    const struct rule **by);

#endif
