/* The core PMU of either vendor as far as both have the same: general-purpose counters with a
 * global control (SDM 20.2; APM 13.2 with PerfMonV2), and on Intel two fixed counters beside them.
 */
#ifndef CEDE_GUEST_PERFMON_H
#define CEDE_GUEST_PERFMON_H

#include "cpu.h"

/* Bits of a selector that both vendors place alike. */
enum {
    SELECT_USR = 1 << 16,
    SELECT_OS = 1 << 17,
    SELECT_INT = 1 << 20,
    SELECT_EN = 1 << 22,
    SELECT_INV = 1 << 23,
    SELECT_CMASK = 1 << 24,
};

enum event { INSTRUCTIONS, BRANCHES, CYCLES, EVENTS };

/* The fixed counter n counts enum event... */
enum { FIXED_INSTRUCTIONS, FIXED_CYCLES, FIXED_CTR_OS = 1, FIXED_CTR_USR = 2 };

struct perfmon {
    u32 selector, counter, stride; /* of counter 0; the next is `stride` further */
    /* 0: there is none. */
    u32 global_ctrl, global_status, status_clear;
    u32 counters;
    bool fixed;
    u32 event[EVENTS];
};

/* NULL where there is none, or none with a global control. */
const struct perfmon *perfmon_here(void);

/* With or without a global control; NULL where no counter takes what is written. Wants the
 * library's tables. */
const struct perfmon *perfmon_any(void);

#define PERFMON_DENIED 0xff29U /* nobody's event: counts nothing, and no allow-list has it */

#define MSR_FIXED_CTR0     0x309U
#define MSR_FIXED_CTR_CTRL 0x38dU

static inline u32 perfmon_selector(const struct perfmon *p, u32 counter)
{
    return p->selector + p->stride * counter;
}

static inline u32 perfmon_counter(const struct perfmon *p, u32 counter)
{
    return p->counter + p->stride * counter;
}

/* The value of a 48-bit counter that overflows with the n-th event. */
static inline u64 perfmon_before(u64 n)
{
    return (BIT(48) - n) & (BIT(48) - 1);
}

/* GLOBAL_CTRL with everything on; as after reset but for the fixed counters. */
u64 perfmon_all(const struct perfmon *p);

/* Everything stopped and zero, status clear. */
void perfmon_reset(const struct perfmon *p);

/* In the handler of a PMI: status cleared, LVTPC (which Intel's has masked itself) written anew. */
void perfmon_acknowledge(const struct perfmon *p, u32 lvt);

#endif
