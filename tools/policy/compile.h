/* Policies with names of events in them, turned into the text form that the hypervisor reads. */
#ifndef CEDE_POLICY_COMPILE_H
#define CEDE_POLICY_COMPILE_H

#include <stdio.h>

#include "cpus.h"
#include "pmu/policy_text.h"

/* A line in text form. */
struct rule {
    unsigned line; /* of the source */
    bool deny;
    char *text;    /* without its comment */
    char *comment; /* NULL: none */
};

/* Modifiers that are part of what a name means. */
struct need {
    unsigned line;
    char *name;
    u64 bits;
};

struct compiled {
    const char *path;
    struct need *needs;
    size_t need_count;
    struct rule *rules;
    size_t count;
    struct pmu_policy policy;
    struct filter_entry events[POLICY_EVENTS];
    unsigned errors;
};

/* Compiles a text; names are those of the processors. What is wrong is said on stderr and counted.
 */
void compile_text(struct compiled *out, const char *path, const char *text, size_t size,
                  const struct processors *processors);

/* The same for a file. Of a cede.conf (any *.conf) only the policy lines count. */
void compile_file(struct compiled *out, const char *path, const struct processors *processors);

/* What nothing said means: `allow architectural`. */
void compile_default(struct compiled *out);

void compiled_print(const struct compiled *compiled, FILE *to);
void compiled_free(struct compiled *compiled);

#endif
