/* The exits that a guest meets again and again: CPUID, an IPI, an event selector. A straight line;
 * whatever is unusual about one of them returns false and leaves nothing changed, and
 * svm_slow_exit does it.
 *
 * Compiled with a calling convention of its own (hv/fast.mk, hv/svm/run.S): it calls nobody
 * else, and its functions take one argument, since others would be in registers that they must
 * keep. Instruction counts: `make bench`. */
#include "base/asm.h"
#include "msr/cpuid_table.h"
#include "hv.h"
#include "base/msr.h"
#include "counters/pmu.h"
#include "apic/icr.h"
#include "svm/fast_credit.h"
#include "svm/svm.h"

/* A leaf that is passed on as it is. */
static inline bool plain_cpuid(struct cpu *cpu)
{
    struct vmcb *vmcb = cpu_vmcb(cpu);
    u64 rax = (u32)vmcb->rax, rbx, rcx = cpu->regs[RCX], rdx;

    cpu->exits[EXIT_CPUID]++;
    /* 64-bit variables: CPUID clears the upper halves itself. */
    __asm__ volatile("cpuid" : "+a"(rax), "=b"(rbx), "+c"(rcx), "=d"(rdx));
    vmcb->rax = rax;
    cpu->regs[RBX] = rbx;
    cpu->regs[RCX] = rcx;
    cpu->regs[RDX] = rdx;
    svm_advance(vmcb, 2);
    return true;
}

static inline bool fast_cpuid(struct cpu *cpu)
{
    if (unlikely(!cpuid_plain_amd((u32)cpu_vmcb(cpu)->rax)))
        return false;
    return plain_cpuid(cpu);
}

static inline bool send_icr(struct cpu *cpu)
{
    struct vmcb *vmcb = cpu_vmcb(cpu);

    if (unlikely(!wrmsr_halves_safe(IA32_X2APIC_ICR, (u32)vmcb->rax, (u32)cpu->regs[RDX])))
        return false;
    cpu->exits[EXIT_IPI]++;
    svm_advance(vmcb, 2);
    return true;
}

static __attribute__((noinline)) bool fast_judged_icr(struct cpu *cpu)
{
    if (!icr_is_plain(cpu, (u32)cpu_vmcb(cpu)->rax, (u32)cpu->regs[RDX]))
        return false;
    return send_icr(cpu);
}

static inline bool fast_icr(struct cpu *cpu)
{
    if (unlikely(icr_is_judged((u32)cpu_vmcb(cpu)->rax)))
        return fast_judged_icr(cpu);
    return send_icr(cpu);
}

/* From here on registers are read again from struct cpu: keeping them would cost the compiler a
 * push and a pop each, more than the loads. */
#define FORGET_REGISTERS() __asm__ volatile("" : : : "memory")

/* Not to be taken for the filter's answer, which the compiler would keep in a register for it. */
static inline bool opaque_true(void)
{
    bool value;

    __asm__("mov $1, %k0" : "=r"(value));
    return value;
}

/* Writes what the hardware gets of a selector. It can fault only where the processor lacks the
 * selector: then the shadow is read by nobody (msr_access.c), and the slow way raises #GP. */
static inline bool finish_selector(struct cpu *cpu, u32 low, u32 high)
{
    if (unlikely(!wrmsr_halves_safe((u32)cpu->regs[RCX], low, high)))
        return false;
    cpu->exits[EXIT_PMU_WRITE]++;
    svm_advance(cpu_vmcb(cpu), 2);
    return opaque_true();
}

/* A value that does not enable has no row, and goes this way if nothing in it acts or faults. */
static inline bool fast_known(struct cpu *cpu)
{
    u32 low = (u32)cpu_vmcb(cpu)->rax;

    if (likely(low & EVTSEL_EN))
        return denial_again(&cpu->pmu.core.denials, low, &cpu->regs[RDX]);
    return !(u32)cpu->regs[RDX] && !(low & (u32)PERF_CTL_RESERVED);
}

static __attribute__((noinline)) bool fast_denied(struct cpu *cpu)
{
    struct selector_halves *shadow = pmu_amd_shadow(&cpu->pmu.amd, (u32)cpu->regs[RCX]);

    if (unlikely(!shadow || cpu->pmu.core.mode != PMU_FILTERED))
        return false;
    if (unlikely(!fast_known(cpu)))
        return false;
    FORGET_REGISTERS();
    shadow->low = (u32)cpu_vmcb(cpu)->rax;
    shadow->high = (u32)cpu->regs[RDX];
    return finish_selector(cpu, 0, 0);
}

static __attribute__((noinline)) bool fast_selector(struct cpu *cpu)
{
    struct selector_halves *shadow;
    u32 low, high;

    if (unlikely(!filter_allows_halves(cpu->pmu.core.filter, (u32)cpu_vmcb(cpu)->rax,
                                       (u32)cpu->regs[RDX])))
        return fast_denied(cpu);
    FORGET_REGISTERS();
    shadow = pmu_amd_shadow(&cpu->pmu.amd, (u32)cpu->regs[RCX]);
    if (unlikely(!shadow))
        return false;
    __asm__("" : "=a"(low) : "0"((u32)cpu_vmcb(cpu)->rax)); /* where WRMSR wants it */
    high = (u32)cpu->regs[RDX];
    shadow->low = low;
    shadow->high = high;
    if (unlikely(pmu_amd_needs_attention(low)))
        cpu->pmu.core.attention = PMU_AMD_ALL; /* in short for this one's bit */
    return finish_selector(cpu, low, pmu_amd_allowed_high(high));
}

static inline bool fast_wrmsr(struct cpu *cpu)
{
    if (likely((u32)cpu->regs[RCX] == IA32_X2APIC_ICR))
        return fast_icr(cpu);
    return fast_selector(cpu);
}

/* --- while somebody may have to be credited (counters/credit_fast.h) ----------------------------
 */

static __attribute__((noinline)) bool credited_cpuid(struct cpu *cpu)
{
    if (unlikely(!credit(cpu, cpu_vmcb(cpu)->cpl ? RING_USR : RING_OS)))
        return take_back(cpu);
    return plain_cpuid(cpu);
}

/* Of the kernel: else it would not have exited but raised #GP (APM 15.9.2). */
static __attribute__((noinline)) bool credited_wrmsr(struct cpu *cpu)
{
    if (unlikely(!credit(cpu, RING_OS)))
        return take_back(cpu);
    return likely(fast_wrmsr(cpu)) ? true : take_back(cpu);
}

/* Apart from the above, which has to save registers. */
static __attribute__((noinline)) bool fast_credited(struct cpu *cpu)
{
    const struct vmcb *vmcb = cpu_vmcb(cpu);

    if (unlikely(!cpu->pmu.core.known.valid))
        return false;
    if (vmcb->exit_code == VMEXIT_CPUID)
        return cpuid_plain_amd((u32)vmcb->rax) ? credited_cpuid(cpu) : false;
    if (vmcb->exit_code == VMEXIT_MSR && vmcb->exit_info1)
        return credited_wrmsr(cpu);
    return false;
}

bool svm_fast_exit(struct cpu *cpu)
{
    const struct vmcb *vmcb = cpu_vmcb(cpu);

    if (unlikely(vmcb->rflags & RFLAGS_UNUSUAL))
        return false;
    if (unlikely(must_credit(cpu)))
        return fast_credited(cpu);
    if (likely(vmcb->exit_code == VMEXIT_CPUID))
        return fast_cpuid(cpu);
    if (vmcb->exit_code != VMEXIT_MSR || !vmcb->exit_info1)
        return false;
    return fast_wrmsr(cpu);
}
