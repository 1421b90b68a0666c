/* What the probes of the PMU model share. */
#ifndef CEDE_MODEL_PROBE_H
#define CEDE_MODEL_PROBE_H

#include "cpu.h"
#include "fault.h"
#include "report.h"

/* bodies.S */
#define OVERHEAD 4

struct counted_switch {
    u64 msr, on, off;
};

void body_empty(const struct counted_switch *how);
void body_nops(const struct counted_switch *how);
void body_loop(const struct counted_switch *how);
void body_calls(const struct counted_switch *how);
void body_rep(const struct counted_switch *how);
void body_far(const struct counted_switch *how);
extern const char body_nops_start[];
void user_loop(u64 turns);
void user_nops(u64 unused);
void user_faults(u64 unused);

struct known_counts {
    const char *name;
    void (*body)(const struct counted_switch *how);
    u64 instructions, branches; /* OVERHEAD included */
};

#define KNOWN_COUNTS                                                                          \
    {                                                                                         \
        {"empty", body_empty, OVERHEAD, 0}, {"nops", body_nops, 1000 + OVERHEAD, 0},          \
            {"loop", body_loop, 200001 + OVERHEAD, 100000},                                   \
            {"calls", body_calls, 4001 + OVERHEAD, 3000}, {"rep", body_rep, 4 + OVERHEAD, 0}, \
    }

/* Event selects that Intel and AMD write alike. */
enum {
    SELECT_USR = 1 << 16,
    SELECT_OS = 1 << 17,
    SELECT_EDGE = 1 << 18,
    SELECT_INT = 1 << 20,
    SELECT_EN = 1 << 22,
    SELECT_INV = 1 << 23,
    SELECT_CMASK = 1 << 24,
};
#define SELECT_ALL (SELECT_EN | SELECT_OS | SELECT_USR)

/* An instruction that must or must not fault. */
static inline void expect_write(u32 msr, u64 value, int vector)
{
    int was = wrmsr_safe(msr, value);
    expect(was == vector, "WRMSR %x of %lx: vector %d, not %d", msr, value, was, vector);
}

static inline void expect_absent(u32 msr)
{
    u64 value;
    expect(rdmsr_safe(msr, &value) == VECTOR_GP, "RDMSR %x does not fault", msr);
}

static inline u64 rdpmc(u32 index)
{
    u32 low, high;
    __asm__ volatile("rdpmc" : "=a"(low), "=d"(high) : "c"(index));
    return low | (u64)high << 32;
}

static inline void expect_equal(const char *what, u64 is, u64 wanted)
{
    expect(is == wanted, "%s is %lu, not %lu", what, is, wanted);
}

/* pmi.c: the PMI that `how` brings, by NMI and by a fixed vector, in the middle of body_nops.
 * `clear` acknowledges. */
void pmi_probe(const char *name, u32 counter, const struct counted_switch *how, void (*clear)(void),
               bool masks);

/* cycles.c: `cycles` and `reference` are counter MSRs that run. */
void halt_probe(u32 cycles, u32 reference);

/* interrupts.c: two counters that `how` switches, of instructions and of interrupts taken. */
void interrupts_probe(u32 instructions, u32 interrupts, const struct counted_switch *how);

/* user.c: counters of instructions that run, at CPL 3 and at CPL 0. */
void user_probe(u32 user, u32 kernel);

/* cores.c: `count` runs on every core, this one included. */
void cores_probe(core_work *count);

/* socket.c: counters of the whole socket that bit 22 of `control` switches; and energy. */
struct socket_counter {
    u32 control, counter;
};
void socket_probe(const struct socket_counter *counters, u32 count);
void energy_probe(u32 unit, u32 status);

void intel_probes(void);
void intel_vmx_probes(void);
void amd_probes(void);
void amd_svm_probes(void);

#endif
