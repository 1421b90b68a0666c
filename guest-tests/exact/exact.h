/* The workloads of exact.efi. Each is code whose counts are a function of the code alone:
 * interrupts are off unless it raises them itself, and nothing in it looks at time. */
#ifndef CEDE_GUEST_EXACT_H
#define CEDE_GUEST_EXACT_H

#include "perfmon.h"

struct workload {
    const char *name;
    void (*run)(void);
    void (*prepare)(void); /* before each run, not counted; may be NULL */
    /* What it must count at least, at CPL 3 and at CPL 0, so that a counter that stands still, or a
     * workload that does nothing, is no pass. */
    u32 least_user, least_kernel;
};

struct workloads {
    const struct workload *list;
    u32 count;
};

extern const struct workloads plain_workloads, trap_workloads, exit_workloads, interrupt_workloads,
    user_workloads, sampling_workloads;

/* What a run has seen beside the counts, or 0: it must be the same in each run. */
extern volatile u64 exact_result;

/* Counters 0 and 1 are the measurer's; 2 and 3 the workloads'. */
enum { FIRST_FREE_COUNTER = 2 };
extern const struct perfmon *exact_pmu;

/* Which WRMSR starts and stops the counting: of GLOBAL_CTRL, which nobody intercepts, or of the
 * selector, which exits under Cede. Of the two exactly one is counted (docs/pmu-model.md, rule 3).
 */
enum way { BY_GLOBAL_CTRL, BY_SELECTOR, WAYS };

/* measure.c: one verdict line. */
void measure(const struct workload *workload);

/* One run; the value of counter 0. */
u64 exact_count(const struct workload *w, enum event event, u32 rings, enum way way);

/* repeat.c: without a verdict, a `measure:` line (samples.h) per event and ring: for processors,
 * whose cycles differ from run to run. */
void repeat(const struct workload *workload);

/* ring3.S */
void user_loop(u64 turns);
void user_calls(u64 turns);
void user_cpuid(u64 turns);
void user_syscalls(u64 turns);
void user_interrupts(u64 turns);
void user_faults(u64 turns);
void user_touch(u64 address);
void user_rdpmc(u64 turns);
void user_strings(u64 turns);
extern char syscall_entry[], syscall_entry_cpuid[];

#endif
