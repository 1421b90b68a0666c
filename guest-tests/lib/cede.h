/* Asking the hypervisor, when there is one. */
#ifndef CEDE_GUEST_CEDE_H
#define CEDE_GUEST_CEDE_H

#include "hypercall.h"

/* VMMCALL or VMCALL as hypercall.h says; HYPERCALL_ERROR also when it raised #UD (no Cede). */
u64 hypercall(u32 call, u32 core, u32 item);

/* The bare instruction with a chosen EAX, for probes of the contract. */
u64 vmmcall(u32 eax, u32 ecx, u32 edx, u32 ebx);

/* Whether Cede answers; asked once, needs the library's tables (core.h). */
bool under_cede(void);

/* All exits of one core, HYPERCALL ones left out, since asking causes them. */
u64 cede_exits(u32 core);

#endif
