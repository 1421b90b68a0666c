/* A PMU policy: what the `allow` and `deny` lines of cede.conf and of policy files say, not yet
 * applied to a processor. The loader parses it (hv/pmu/policy_text.h), the hypervisor builds its
 * filter from it (hv/pmu/policy.h), and tools/policy does both.
 *
 * One rule combines the lines: everything starts denied, `allow` adds, `deny` takes away and wins.
 * Their order and repetition make no difference. docs/policy.md has the language. */
#ifndef CEDE_PMU_POLICY_H
#define CEDE_PMU_POLICY_H

#include "types.h"

enum policy_verb { POLICY_ALLOW, POLICY_DENY, POLICY_VERBS };

enum policy_preset {
    PRESET_ARCHITECTURAL,
    PRESET_CORE,
    PRESET_ALL,
    PRESET_EVERYTHING, /* every event with any modifier and value, and all that can be granted */
    PRESETS
};

/* What there is beyond the core's counters; pmu_grants.h: whether a processor can give it. */
enum policy_grant { GRANT_LBR, GRANT_PEBS, GRANT_IBS, GRANT_UNCORE, GRANT_ENERGY, GRANTS };

/* Registers that some of Intel's events need besides their selector. */
enum policy_aux_register {
    AUX_OFFCORE,  /* MSR_OFFCORE_RSP_0 and _1: which requests and responses */
    AUX_FRONTEND, /* MSR_PEBS_FRONTEND: which front-end event */
    AUX_LDLAT,    /* MSR_PEBS_LD_LAT_THRESHOLD: from which latency on */
    AUX_REGISTERS
};

#define ANY_UMASK2    0x100 /* for filter_entry.umask2 */
#define POLICY_AUX    64
#define POLICY_FIXED  16 /* Intel has room for as many fixed counters (SDM 20.2.5, table 20-1) */
#define POLICY_EVENTS 4096
#define POLICY_LIMIT  KIB(256) /* a larger file is not a policy */

/* Event selects first to last with every umask for which (umask & mask) == match: KVM's masked
 * entries, for a range of selects, and with Intel's second umask. */
struct filter_entry {
    u16 first, last;
    u8 mask, match;
    u16 umask2; /* a value, or ANY_UMASK2 */
    bool exclude;
};

/* Values v of an auxiliary register for which (v & mask) == match. */
struct policy_aux {
    u64 mask, match;
    u8 kind; /* enum policy_aux_register */
    bool exclude;
};

struct pmu_policy {
    u32 lines;                   /* that said something */
    u8 presets[POLICY_VERBS];    /* bits: enum policy_preset */
    u32 fixed[POLICY_VERBS];     /* bits: fixed counters */
    u64 modifiers[POLICY_VERBS]; /* selector bits */
    u8 grants[POLICY_VERBS];     /* bits: enum policy_grant */
    u32 event_count, event_room; /* of events[], whose memory is the owner's */
    struct filter_entry *events;
    u32 aux_count;
    struct policy_aux aux[POLICY_AUX];
};

#endif
