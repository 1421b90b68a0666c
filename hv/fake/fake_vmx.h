/* Stands in for vmx/insn.h in host tests: one VMCS as a table. Include it after fake_machine.h and
 * before the code under test. */
#ifndef CEDE_FAKE_VMX_H
#define CEDE_FAKE_VMX_H
#define CEDE_VMX_INSN_H

#include "vmx/vmcs.h"

static u64 fake_vmcs[0x8000];
static u32 fake_flushes; /* INVEPT and INVVPID */

struct invalidation {
    u64 first, second;
};

/* The last of each. */
static struct {
    u32 count;
    u64 type;
    struct invalidation what;
} fake_invept, fake_invvpid;

static inline u64 vmread(u64 field)
{
    return fake_vmcs[field];
}

static inline void vmwrite(u64 field, u64 value)
{
    fake_vmcs[field] = value;
}

static inline void invept(u64 type, struct invalidation what)
{
    fake_invept.count++;
    fake_invept.type = type;
    fake_invept.what = what;
    fake_flushes++;
}

static inline void invvpid(u64 type, struct invalidation what)
{
    fake_invvpid.count++;
    fake_invvpid.type = type;
    fake_invvpid.what = what;
    fake_flushes++;
}

#endif
