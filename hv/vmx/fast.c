/* The exits that a guest meets again and again: CPUID and event selectors. A straight line;
 * whatever is unusual about one of them returns false before anything has changed, and
 * vmx_slow_exit does it.
 *
 * Compiled with a calling convention of its own (Makefile, hv/vmx/run.S): it calls nothing, and its
 * functions take one argument, since others would be in registers that they must keep. VMREAD and
 * VMWRITE are the dear instructions here. */
#include "asm.h"
#include "cpuid_table.h"
#include "hv.h"
#include "msr.h"
#include "vmx/vmx.h"

/* Single-stepping and resume need care after an emulated instruction (slow.c). */
#define RFLAGS_UNUSUAL (RFLAGS_TF | RFLAGS_RF)

static inline bool fast_cpuid(struct cpu *cpu)
{
    u64 rax = (u32)cpu->regs[RAX], rbx, rcx = cpu->regs[RCX], rdx;

    if (unlikely(!cpuid_plain_intel((u32)rax)))
        return false;
    cpu->exits[EXIT_CPUID]++;
    /* 64-bit variables: CPUID clears the upper halves itself. */
    __asm__ volatile("cpuid" : "+a"(rax), "=b"(rbx), "+c"(rcx), "=d"(rdx));
    cpu->regs[RAX] = rax;
    cpu->regs[RBX] = rbx;
    cpu->regs[RCX] = rcx;
    cpu->regs[RDX] = rdx;
    vmx_advance(vmread(VMCS_EXIT_LENGTH));
    return true;
}

bool vmx_fast_exit(struct cpu *cpu)
{
    u64 reason = vmread(VMCS_EXIT_REASON);

    if (unlikely(vmread(VMCS_GUEST_RFLAGS) & RFLAGS_UNUSUAL))
        return false;
    if (likely(reason == VMX_EXIT_CPUID))
        return fast_cpuid(cpu);
    return false;
}
