/* The parts of cpl3.efi; each runs its probes on the boot processor. */
#ifndef CEDE_GUEST_CPL3_H
#define CEDE_GUEST_CPL3_H

#include "core.h"

/* User code that executes one instruction; RDI is the argument, in RAX, RSI and RDI too. */
#define USER(name, text)                                               \
    static void name(u64 argument)                                     \
    {                                                                  \
        u64 a = argument, s = argument, d = argument;                  \
        __asm__ volatile(text                                          \
                         : "+a"(a), "+S"(s), "+D"(d)                   \
                         :                                             \
                         : "rbx", "rcx", "rdx", "r8", "memory", "cc"); \
    }

struct user {
    const char *name;
    core_work *execute;
    int vector;
    bool tcg_runs_it; /* TCG does not look at CPL there: no fault is tolerated */
};

/* The instruction at CPL 3 raises its vector, with an error code of 0 if it has one. */
void expect_vector(const struct user *u, u64 argument);

void privileged_probes(void);
void virtualization_probes(void);
void permitted_probes(void);
void port_probes(void);
void step_probes(void);
void memory_probes(void);

#endif
