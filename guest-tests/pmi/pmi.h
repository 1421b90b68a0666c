/* The parts of pmi.efi. */
#ifndef CEDE_GUEST_PMI_H
#define CEDE_GUEST_PMI_H

#include "perfmon.h"

/* What a sequence needs: how to start and stop counting, and what its exits access. */
struct sequence_call {
    u64 msr, on, off;
    u64 subject, value; /* an MSR or a port; what is written */
};

/* Per instruction of a sequence: where the next begins, from the first one on, and what it does. */
struct instruction {
    u32 end, kind;
};
enum { KIND_PLAIN, KIND_EXIT, KIND_SHADOW };

/* sequences.S: 48 and more instructions to overflow at, and behind them enough for the skid. */
#define SEQUENCE(name)                              \
    void name(const struct sequence_call *call);    \
    extern const char name##_start[];               \
    extern const struct instruction name##_table[]; \
    extern const u32 name##_swept

SEQUENCE(sequence_cpuid);
SEQUENCE(sequence_wrmsr);
SEQUENCE(sequence_rdmsr);
SEQUENCE(sequence_in);
SEQUENCE(sequence_xsetbv);
SEQUENCE(sequence_shadow);

#define MAX_SKID 64

void sweep_probes(const struct perfmon *p);
void storm_probes(void);

#endif
