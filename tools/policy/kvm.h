/* KVM's filter of PMU events (struct kvm_pmu_event_filter) as text, and its translations.
 *
 * In JSON it is QEMU's object kvm-pmu-filter:
 *
 *     {"action": "allow", "x86-fixed-counter": 7, "events": [
 *       {"format": "raw", "code": 196},
 *       {"format": "x86-select-umask", "select": "0xc5", "umask": 0}]}
 *
 * or with entries {"format": "x86-masked-entry", "select": 208, "mask": 240, "match": 128,
 * "exclude": false}, which do not stand beside the others. "x86-fixed-counter" left out is 0, as in
 * QEMU.
 *
 * Otherwise it is the structure's fields, one per line, then events as KVM takes them:
 *
 *     action allow                    # KVM_PMU_EVENT_ALLOW; or deny
 *     flags 1                         # KVM_PMU_EVENT_FLAG_MASKED_EVENTS, or 0
 *     fixed_counter_bitmap 0x7
 *     0xff000000000000c4
 *
 * Both are read strictly: what is not known, missing or of another type is an error. */
#ifndef CEDE_POLICY_KVM_H
#define CEDE_POLICY_KVM_H

#include <stdio.h>

#include "pmu/policy.h"

#define KVM_EVENTS 300 /* KVM takes no more */

struct kvm_filter {
    bool deny;
    u32 fixed;
    size_t count;
    struct filter_entry *events; /* one select each, no second umask */
};

/* One entry; adding one to a filter. */
struct filter_entry kvm_entry(u64 select, u64 mask, u64 match, bool exclude);
void kvm_add(struct kvm_filter *filter, struct filter_entry entry);

/* Reads either form; says on stderr what is wrong. */
bool kvm_read(struct kvm_filter *out, const char *path);
bool kvm_parse(struct kvm_filter *out, const char *path, const char *text, size_t size);

/* The same as lines of a policy. An `allow` filter becomes one line for each entry. */
void kvm_to_policy(const struct kvm_filter *filter, FILE *to);

/* What the policy says of events; modifiers and registers are nothing that KVM filters. False if
 * KVM would refuse it: `entries` is how many it takes. */
bool kvm_from_policy(struct kvm_filter *out, const struct pmu_policy *policy,
                     const struct policy_cpu *cpu, size_t *entries);

void kvm_print_json(const struct kvm_filter *filter, FILE *to);
void kvm_print_raw(const struct kvm_filter *filter, FILE *to);

void kvm_free(struct kvm_filter *filter);

#endif
