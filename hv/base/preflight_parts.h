/* The parts of the preflight (preflight.h): one per vendor, and what they share. */
#ifndef CEDE_PREFLIGHT_IMPL_H
#define CEDE_PREFLIGHT_IMPL_H

#include "preflight.h"

enum { CPU_EAX, CPU_EBX, CPU_ECX, CPU_EDX };

/* One register of a leaf, 0 where the processor has no such leaf. */
static inline u32 preflight_cpuid(const struct cpu_ops *ops, u32 leaf, u32 reg)
{
    u32 out[4];

    ops->cpuid(leaf & 0x80000000, 0, out);
    if (out[CPU_EAX] < leaf)
        return 0;
    ops->cpuid(leaf, 0, out);
    return out[reg];
}

/* Whether the processor implements AMD-V, VT-x: by feature, not by name. */
static inline bool has_svm(const struct cpu_ops *ops)
{
    return preflight_cpuid(ops, 0x80000001, CPU_ECX) & BIT(2);
}

static inline bool has_vmx(const struct cpu_ops *ops)
{
    return preflight_cpuid(ops, 1, CPU_ECX) & BIT(5);
}

/* The host's tables need it. Intel's firmware can hide it (IA32_MISC_ENABLE[34]): EFER.NXE, which
 * VM exits load, is then reserved. */
static inline bool has_nx(const struct cpu_ops *ops)
{
    return preflight_cpuid(ops, 0x80000001, CPU_EDX) & BIT(20);
}

/* hv/svm/preflight.c and hv/vmx/preflight.c, for processors that have it. */
enum preflight preflight_svm(const struct cpu_ops *ops);
enum preflight preflight_vmx(const struct cpu_ops *ops);
void preflight_svm_traits(const struct cpu_ops *ops, struct preflight_traits *traits);
void preflight_vmx_traits(const struct cpu_ops *ops, struct preflight_traits *traits);

#endif
