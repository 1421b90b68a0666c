/* The policy's text form: lines of cede.conf, of files that it names, and what cede-policy writes.
 *
 *     allow architectural                      a preset; also: core, all
 *     allow 0xc4/0x00                          event select and umask
 *     allow 0xa0-0xaf/0x10&0xf0                selects; (umask & 0xf0) == 0x10
 *     allow 0xc4/0x00/0x01                     with UMASK2 01H
 *     allow fixed 0 1 2                        Intel's fixed counters; topdown: number 3
 *     allow modifier edge inv cmask            also: any, in_tx, eq
 *     allow offcore 0x3f803c0001               also: frontend, ldlat
 *     allow lbr                                a grant; also: pebs, ibs, uncore, energy
 *     allow everything                         all of it
 *     deny  0xd0/0x82                          # wins, wherever it stands
 *
 * Pure and without a C library: tools, loader and hypervisor run the same code. */
#ifndef CEDE_PMU_POLICY_TEXT_H
#define CEDE_PMU_POLICY_TEXT_H

#include "pmu_policy.h"

/* For a message "FILE:line: 'word': message", or without a word where it is empty. */
struct policy_error {
    const char *message;
    u32 line;
    char word[32]; /* printable ASCII */
};

/* An empty policy, which denies everything, with room for events. */
void policy_start(struct pmu_policy *policy, struct filter_entry *room, u32 count);

/* Whether a line starts with `allow` or `deny`. */
bool policy_is_line(const char *line, size_t size);

/* Whether a line may have this word behind `allow`: everything else is an event, or an event's name
 * for cede-policy. */
bool policy_is_keyword(const char *word, size_t size);

/* These words, one by one; NULL behind the last. */
const char *policy_keyword(u32 index);

/* Adds what one line says; blanks and comments say nothing. On false the policy is as it was; the
 * error's line number is the caller's to set. */
bool policy_parse_line(struct pmu_policy *policy, const char *line, size_t size,
                       struct policy_error *error);

/* Adds a whole text of at most POLICY_LIMIT bytes. On false what came before the error is in. */
bool policy_parse(struct pmu_policy *policy, const char *text, size_t size,
                  struct policy_error *error);

/* Whether any line allows an event or a counter: a policy that does not is a mistake. */
bool policy_allows_something(const struct pmu_policy *policy);

#endif
