/* The instructions of VMX. hv/fake/fake_vmx.h stands in for this in host tests. */
#ifndef CEDE_VMX_INSN_H
#define CEDE_VMX_INSN_H

#include "types.h"
#include "vmx/vmcs.h"

/* Both succeed for a field that the processor has while a VMCS is current: the encodings used
 * depend on controls that were enabled, so failure (flags) is not looked at. */
static inline u64 vmread(u64 field)
{
    u64 value;

    __asm__ volatile("vmread %1, %0" : "=r"(value) : "r"(field) : "cc");
    return value;
}

static inline void vmwrite(u64 field, u64 value)
{
    __asm__ volatile("vmwrite %1, %0" : : "r"(field), "r"(value) : "cc");
}

/* False: VMfailInvalid or VMfailValid (SDM 31.2). */
#define VMX_POINTER_INSN(name)                                                           \
    static inline bool name(u64 region)                                                  \
    {                                                                                    \
        bool failed;                                                                     \
        __asm__ volatile(#name " %1" : "=@ccbe"(failed) : "m"(region) : "memory", "cc"); \
        return !failed;                                                                  \
    }

VMX_POINTER_INSN(vmxon)
VMX_POINTER_INSN(vmclear)
VMX_POINTER_INSN(vmptrld)

static inline void vmxoff(void)
{
    __asm__ volatile("vmxoff" : : : "cc");
}

struct invalidation {
    u64 first, second;
};

static inline void invept(u64 type, struct invalidation what)
{
    __asm__ volatile("invept %0, %1" : : "m"(what), "r"(type) : "memory", "cc");
}

static inline void invvpid(u64 type, struct invalidation what)
{
    __asm__ volatile("invvpid %0, %1" : : "m"(what), "r"(type) : "memory", "cc");
}

#endif
