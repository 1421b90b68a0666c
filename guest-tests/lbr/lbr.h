/* What lbr.efi runs while branches are recorded. */
#ifndef CEDE_GUEST_LBR_H
#define CEDE_GUEST_LBR_H

#include "types.h"

/* One register switches recording; `on` and `off` are written right before and after the body. */
struct lbr_switch {
    u64 msr, on, off;
};

typedef void lbr_body(const struct lbr_switch *how);

/* bodies.S. No branch but what is named, and none between the body and the two writes. */
lbr_body lbr_plain, lbr_indirect, lbr_exits, lbr_calls, lbr_deep, lbr_faults, lbr_denied, lbr_halt,
    lbr_counted, lbr_cpuid, lbr_rdmsr, lbr_wrmsr;
void lbr_user(u64 unused); /* at CPL 3 */
extern const char lbr_start[];

/* For lbr_rdmsr, lbr_wrmsr and lbr_exits: which register, and what is written to it. */
extern u64 lbr_msr, lbr_value;

#endif
