/* The exits that a guest meets again and again: CPUID and event selectors. A straight line;
 * whatever is unusual about one of them returns false and leaves nothing changed, and
 * vmx_slow_exit does it.
 *
 * Compiled with a calling convention of its own (hv/fast.mk, hv/vmx/run.S): it calls nobody
 * else, and its functions take one argument, since others would be in registers that they must
 * keep. VMREAD and VMWRITE are the dear instructions here. */
#include "base/asm.h"
#include "msr/cpuid_table.h"
#include "hv.h"
#include "base/msr.h"
#include "counters/credit.h"
#include "counters/credit_fast.h"
#include "counters/pmu.h"
#include "apic/icr.h"
#include "vmx/vmx.h"

/* Whether an emulated instruction may have to be credited to a counter (hv/counters/credit.h): to
 * one of the selectors' while any is enabled, or to a fixed one. `enabled`: IA32_PERF_GLOBAL_CTRL.
 * Asked so that it takes few instructions when there is none. */
static inline bool must_credit(const struct cpu *cpu, u64 enabled)
{
    if (unlikely(cpu->pmu.core.attention))
        return enabled;
    return enabled >> 32;
}

/* Not to be taken for the answer of an earlier test, which the compiler would keep in a register
 * for it. */
static inline bool opaque(bool answer)
{
    __asm__("" : "+r"(answer));
    return answer;
}

/* Registers are read again from struct cpu: keeping them would cost the compiler a push and a pop
 * each, more than the loads. */
#define FORGET_REGISTERS() __asm__ volatile("" : : : "memory")

/* A leaf that is passed on as it is. */
static inline bool plain_cpuid(struct cpu *cpu)
{
    u64 rax, rbx, rcx, rdx;

    cpu->exits[EXIT_CPUID]++;
    FORGET_REGISTERS();
    rax = (u32)cpu->regs[RAX];
    rcx = cpu->regs[RCX];
    /* 64-bit variables: CPUID clears the upper halves itself. */
    __asm__ volatile("cpuid" : "+a"(rax), "=b"(rbx), "+c"(rcx), "=d"(rdx));
    cpu->regs[RAX] = rax;
    cpu->regs[RBX] = rbx;
    cpu->regs[RCX] = rcx;
    cpu->regs[RDX] = rdx;
    vmx_advance();
    return opaque(true);
}

static inline bool fast_cpuid(struct cpu *cpu)
{
    if (unlikely(!cpuid_plain_intel((u32)cpu->regs[RAX])))
        return opaque(false);
    return plain_cpuid(cpu);
}

/* Writes what the hardware gets of a selector. It can fault only where the processor lacks the
 * selector, or a bit of it: then the slow way raises #GP, and has the shadow as it was. */
static inline bool finish_selector(struct cpu *cpu, u32 counter, u32 low, u32 high)
{
    if (unlikely(!wrmsr_halves_safe((u32)cpu->regs[RCX], low, high)))
        return false;
    FORGET_REGISTERS();
    pmu_intel_set_shadow(&cpu->pmu.intel, counter, (u32)cpu->regs[RAX], (u32)cpu->regs[RDX]);
    cpu->exits[EXIT_PMU_WRITE]++;
    vmx_advance();
    return opaque(true);
}

/* The filter's answer means nothing for it, so it comes here from either. It exits in machines of
 * several guests, and while cores start (guest/watch.h). */
static __attribute__((noinline)) bool fast_icr(struct cpu *cpu)
{
    u32 low = (u32)cpu->regs[RAX];

    if (unlikely((u32)cpu->regs[RCX] != IA32_X2APIC_ICR))
        return false;
    if (unlikely(icr_is_judged(low)) && !icr_is_plain(cpu, low, (u32)cpu->regs[RDX]))
        return false;
    if (unlikely(!wrmsr_halves_safe(IA32_X2APIC_ICR, (u32)cpu->regs[RAX], (u32)cpu->regs[RDX])))
        return false;
    cpu->exits[EXIT_IPI]++;
    vmx_advance();
    return opaque(true);
}

/* What filter_allows_halves() refuses may be allowed all the same by its upper half. */
static __attribute__((noinline)) bool fast_denied(struct cpu *cpu)
{
    u32 low = (u32)cpu->regs[RAX], counter = (u32)cpu->regs[RCX] - IA32_PERFEVTSEL0;

    if (unlikely(counter >= PMU_INTEL_COUNTERS))
        return fast_icr(cpu);
    if (unlikely(cpu->pmu.core.mode != PMU_FILTERED || (u32)cpu->regs[RDX]))
        return false;
    if (unlikely(low & (u32)PERFEVTSEL_DENIED)) /* may fault */
        return false;
    if (likely(low & EVTSEL_EN) &&
        unlikely(!denial_again(&cpu->pmu.core.denials, low, &cpu->regs[RDX])))
        return false;
    FORGET_REGISTERS();
    return finish_selector(cpu, (u32)cpu->regs[RCX] - IA32_PERFEVTSEL0, 0, 0);
}

static __attribute__((noinline)) bool fast_selector(struct cpu *cpu)
{
    u32 low = (u32)cpu->regs[RAX], high = (u32)cpu->regs[RDX], counter;

    if (unlikely(!filter_allows_halves(cpu->pmu.core.filter, low, high)))
        return fast_denied(cpu);
    FORGET_REGISTERS();
    counter = (u32)cpu->regs[RCX] - IA32_PERFEVTSEL0;
    if (unlikely(counter >= PMU_INTEL_COUNTERS))
        return fast_icr(cpu);
    low = (u32)cpu->regs[RAX];
    if (unlikely(pmu_intel_needs_attention(low)))
        cpu->pmu.core.attention = PMU_INTEL_ALL; /* in short for this one's bit */
    return finish_selector(cpu, counter, low, (u32)cpu->regs[RDX]);
}

/* --- while somebody may have to be credited (counters/credit_fast.h) ----------------------------
 */

static const struct credit_layout layout = {PMU_INTEL_COUNTERS, IA32_A_PMC0, 1};

static inline bool credit_fixed(struct pmu_core *core, u32 counter, u32 fields, u64 enabled)
{
    if (!(FIXED_FIELD(fields, counter)) || !(enabled & GLOBAL_FIXED(counter)))
        return true;
    if (unlikely(!credit_add(IA32_FIXED_CTR0 + counter)))
        return false;
    core->due |= GLOBAL_FIXED(counter);
    return true;
}

/* Inline for what is known of `user`. */
static inline __attribute__((always_inline)) bool credit(struct cpu *cpu, bool user)
{
    struct pmu_core *core = &cpu->pmu.core;
    u64 enabled = unlikely(credit_frozen_intel(cpu)) ? 0 : vmx_global_ctrl(cpu);
    u32 fields, high;

    if (unlikely(!credit_selectors(core, cpu->pmu.intel.shadow, enabled, user ? RING_USR : RING_OS,
                                   layout)))
        return false;
    if (likely(!(enabled & GLOBAL_FIXED_CREDITED)))
        return true;
    fields = rdmsr_halves(IA32_FIXED_CTR_CTRL, &high) & core->known.fixed &
             (user ? FIXED_USR * 0x11 : FIXED_OS * 0x11);
    return credit_fixed(core, 0, fields, enabled) && credit_fixed(core, 1, fields, enabled);
}

static __attribute__((noinline)) bool take_back(struct cpu *cpu)
{
    credit_take_back(&cpu->pmu.core, layout);
    for (u32 i = 0; i < 2; i++)
        if (cpu->pmu.core.due & GLOBAL_FIXED(i))
            credit_subtract(IA32_FIXED_CTR0 + i);
    return false;
}

static __attribute__((noinline)) bool credited_cpuid(struct cpu *cpu)
{
    if (unlikely(!credit(cpu, RIGHTS_DPL(vmread(VMCS_GUEST_ES_RIGHTS + 2 * SEG_SS)))))
        return take_back(cpu);
    return plain_cpuid(cpu);
}

/* Of the kernel: else it would not have exited but raised #GP (26.1.1). */
static __attribute__((noinline)) bool credited_wrmsr(struct cpu *cpu)
{
    if (unlikely(!credit(cpu, false)))
        return take_back(cpu);
    return likely(fast_selector(cpu)) ? true : take_back(cpu);
}

/* Apart from the above, which has to save registers. */
static __attribute__((noinline)) bool fast_credited(struct cpu *cpu)
{
    u64 reason = vmread(VMCS_EXIT_REASON);

    if (unlikely(!cpu->pmu.core.known.valid))
        return false;
    if (reason == VMX_EXIT_CPUID)
        return cpuid_plain_intel((u32)cpu->regs[RAX]) ? credited_cpuid(cpu) : false;
    return reason == VMX_EXIT_WRMSR ? credited_wrmsr(cpu) : false;
}

static inline bool fast_exit(struct cpu *cpu, u64 global_ctrl)
{
    u64 reason = vmread(VMCS_EXIT_REASON);

    if (unlikely(vmread(VMCS_GUEST_RFLAGS) & RFLAGS_UNUSUAL))
        return false;
    if (unlikely(must_credit(cpu, global_ctrl)))
        return fast_credited(cpu);
    if (likely(reason == VMX_EXIT_CPUID))
        return fast_cpuid(cpu);
    if (reason != VMX_EXIT_WRMSR)
        return false;
    return fast_selector(cpu);
}

bool vmx_fast_exit(struct cpu *cpu)
{
    return fast_exit(cpu, vmread(VMCS_GUEST_PERF_GLOBAL_CTRL));
}

bool vmx_fast_exit_list(struct cpu *cpu)
{
    return fast_exit(cpu, cpu->vmx.guest_global.value);
}
