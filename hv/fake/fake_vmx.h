/* Stands in for vmx/insn.h in host tests: one VMCS as a table. Include it after fake_machine.h and
 * before the code under test. */
#ifndef CEDE_FAKE_VMX_H
#define CEDE_FAKE_VMX_H
#define CEDE_VMX_INSN_H

#include "vmx/vmcs.h"

static u64 fake_vmcs[0x8000];
static u32 fake_flushes; /* INVEPT and INVVPID */

static inline u64 vmread(u64 field)
{
    return fake_vmcs[field];
}

static inline void vmwrite(u64 field, u64 value)
{
    fake_vmcs[field] = value;
}

struct invalidation {
    u64 first, second;
};

static inline void invept(u64 type, struct invalidation what)
{
    (void)type;
    (void)what;
    fake_flushes++;
}

static inline void invvpid(u64 type, struct invalidation what)
{
    (void)type;
    (void)what;
    fake_flushes++;
}

#endif
