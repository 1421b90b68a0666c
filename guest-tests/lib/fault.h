/* Trying what may fault. attempt() calls a function and comes back either way. When it faulted, the
 * way back is a jump, not an IRET: inside an NMI handler an IRET would unblock NMIs (APM 8.9.3,
 * SDM 6.7.1). */
#ifndef CEDE_GUEST_FAULT_H
#define CEDE_GUEST_FAULT_H

#include "core.h"

#define NO_FAULT (-1)

struct fault {
    int vector; /* or NO_FAULT */
    u64 cr2, dr6;
    struct frame frame;
};

/* Returns the vector, or NO_FAULT; fault may be NULL. */
int attempt(core_work *function, u64 argument, struct fault *fault);

/* The same at CPL 3, on the core's user stack. */
int attempt_user(core_work *function, u64 argument, struct fault *fault);

/* With more of RFLAGS set: IOPL, TF. */
int attempt_user_with(u64 rflags, core_work *function, u64 argument, struct fault *fault);

/* These return the vector or NO_FAULT. */
int rdmsr_safe(u32 msr, u64 *value);
int wrmsr_safe(u32 msr, u64 value);

/* IDT shared by all cores. */
void idt_build(void);
void idt_load(void);
void idt_set_present(u32 vector, bool present);

#endif
