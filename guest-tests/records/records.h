/* Code whose branches and instructions are known, for records.c; sequences.S. */
#ifndef CEDE_GUEST_RECORDS_H
#define CEDE_GUEST_RECORDS_H

#include "types.h"

/* What exits in the middle of known_branches(). */
enum way_out { BY_NOTHING, BY_CPUID, BY_RDMSR, BY_SELECTOR, BY_APIC, WAYS_OUT };

/* Records into the stack from its first branch to its last; KNOWN_BRANCHES of them, oldest first at
 * `known`: from, to. */
enum { KNOWN_BRANCHES = 8 };
void known_branches(u64 way_out);
extern const struct {
    u64 from, to; /* as offsets from known_branches */
} known[KNOWN_BRANCHES];

/* One instruction after the other, and where each begins, as offsets from there. The sample is due
 * `argument` instructions after IBS has been switched on, which is the first of them. */
enum { STRAIGHT = 48, STRAIGHT_EXIT = 24 };
void straight_plain(u64 op_ctl);
void straight_cpuid(u64 op_ctl);
void straight_load(u64 op_ctl);
extern const u32 straight_plain_table[STRAIGHT], straight_cpuid_table[STRAIGHT],
    straight_load_table[STRAIGHT];
extern u64 straight_data;

#endif
