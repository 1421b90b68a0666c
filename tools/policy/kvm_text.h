/* What the two text forms of KVM's filters share. */
#ifndef CEDE_POLICY_KVM_TEXT_H
#define CEDE_POLICY_KVM_TEXT_H

#include "kvm.h"

/* A number and nothing else, decimal or with 0x; 010 is neither. */
bool kvm_number(const char *text, u64 max, u64 *out);

/* An event of a filter without KVM_PMU_EVENT_FLAG_MASKED_EVENTS. */
void kvm_add_raw(struct kvm_filter *filter, u64 code);

bool kvm_parse_json(struct kvm_filter *out, const char *path, const char *text, size_t size);

#endif
