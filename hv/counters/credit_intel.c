#include "base/asm.h"
#include "counters/credit.h"
#include "counters/pmi.h"
#include "counters/pmu.h"

/* Instructions retired, by both umasks that count them all, and core cycles not in halt; not those
 * of transactions, which an exit ends, and no instructions where the exit itself has counted one.
 */
static bool credited(const struct pmu_intel_caps *caps, u64 value)
{
    u64 event = value & (EVTSEL_EVENT | EVTSEL_UMASK | EVTSEL_UMASK2);
    bool instructions = (event == 0xc0 || event == 0x1c0) && !caps->overcounts;

    return (value & EVTSEL_EN) && !(value & BIT(32)) &&
           credit_counts(value, instructions || event == 0x3c);
}

/* The selector as the hardware has it, if an emulated instruction counts there; else 0. PMU_FULL
 * intercepts none, so that shadows tell nothing. */
static u64 credited_selector(const struct cpu *cpu, u32 counter)
{
    u64 value = cpu->pmu.intel.shadow[counter];

    if (cpu->pmu.core.mode == PMU_FULL && !rdmsr_safe(IA32_PERFEVTSEL0 + counter, &value))
        return 0; /* no such counter */
    return credited(&cpu->pmu.intel.caps, value)
               ? pmu_intel_value(cpu->pmu.core.mode, cpu->pmu.core.filter, value) &
                     ~PERFEVTSEL_DENIED
               : 0;
}

/* Selectors that need looking at whatever was last seen there: none is seen, or CMASK makes any of
 * them count cycles. */
static u16 always(const struct cpu *cpu)
{
    bool cmask =
        cpu->pmu.core.mode == PMU_FILTERED && !(cpu->pmu.core.filter->refused_low & EVTSEL_CMASK);

    return cpu->pmu.core.mode == PMU_FULL || cmask ? cpu->pmu.intel.caps.general : 0;
}

_Static_assert(PMU_INTEL_COUNTERS <= KNOWN_SELECTORS, "one for each");

static u64 general_due(struct cpu *cpu, bool user)
{
    struct pmu_core *core = &cpu->pmu.core;
    u64 ring = user ? EVTSEL_USR : EVTSEL_OS, due = 0;

    for (u32 left = core->attention; left; left &= left - 1) {
        u32 i = (u32)__builtin_ctz(left);
        u64 value = credited_selector(cpu, i);

        credit_know(core, i, cpu->pmu.intel.shadow[i], value);
        if (!value)
            core->attention &= (u16)~BIT(i);
        if (value & ring)
            due |= BIT(i);
        if (value & EVTSEL_INT)
            core->due_pmi |= BIT(i);
    }
    core->known.kept = always(cpu);
    core->attention |= core->known.kept;
    return due;
}

/* Counter 0 counts instructions, 1 core cycles (SDM table 20-2). */
static u64 fixed_due(struct cpu *cpu, bool user)
{
    u64 control = rdmsr(IA32_FIXED_CTR_CTRL), due = 0;
    struct pmu_core *core = &cpu->pmu.core;

    for (u32 i = cpu->pmu.intel.caps.overcounts; i < 2; i++) {
        if (FIXED_FIELD(control, i) & (user ? FIXED_USR : FIXED_OS))
            due |= GLOBAL_FIXED(i);
        if (FIXED_FIELD(control, i) & FIXED_PMI)
            core->due_pmi |= GLOBAL_FIXED(i);
    }
    return due;
}

/* hv/counters/credit_fast.h sees selectors by their shadows, and writes counters in full width. */
static void know_processor(struct cpu *cpu)
{
    struct known_selectors *known = &cpu->pmu.core.known;

    known->valid = cpu->pmu.core.mode == PMU_FILTERED && cpu->pmu.intel.caps.full_width;
    known->fixed = cpu->pmu.intel.caps.overcounts ? 0xf0 : 0xff;
}

void credit_begin_intel(struct cpu *cpu, bool user, u64 global_ctrl)
{
    struct pmu_core *core = &cpu->pmu.core;
    u64 due;

    core->due_pmi = 0;
    know_processor(cpu);
    due = general_due(cpu, user);
    if (global_ctrl & GLOBAL_FIXED_CREDITED)
        due |= fixed_due(cpu, user);
    due &= global_ctrl;
    core->due = due && credit_frozen_intel(cpu) ? 0 : due;
}

struct counter {
    u32 msr, width;
    bool sign_extended; /* a write takes 32 bits */
};

/* `bit` is the counter's in GLOBAL_CTRL. */
static struct counter counter_of(const struct pmu_intel_caps *caps, u32 bit)
{
    if (bit >= 32)
        return (struct counter){IA32_FIXED_CTR0 + bit - 32, caps->fixed_width, false};
    if (caps->full_width)
        return (struct counter){IA32_A_PMC0 + bit, caps->width, false};
    return (struct counter){IA32_PMC0 + bit, caps->width, true};
}

static bool can_write(const struct pmu_intel_caps *caps, const struct counter *counter, u64 value)
{
    u64 high = MASK(counter->width - 1, 31);

    if (!value && caps->version < 4)
        return false;
    return !counter->sign_extended || !(value & high) || (value & high) == high;
}

/* -> it overflowed */
static bool add_one(const struct pmu_intel_caps *caps, u32 bit)
{
    struct counter counter = counter_of(caps, bit);
    u64 value = (rdmsr(counter.msr) + 1) & MASK(counter.width - 1, 0);

    if (!can_write(caps, &counter, value))
        return false;
    wrmsr(counter.msr, value);
    return !value;
}

u64 credit_finish_intel(struct cpu *cpu)
{
    u64 left = cpu->pmu.core.due, wrapped = 0;

    cpu->pmu.core.due = 0;
    for (; left; left &= left - 1)
        if (unlikely(add_one(&cpu->pmu.intel.caps, (u32)__builtin_ctzll(left))))
            wrapped |= left & -left;
    return wrapped;
}

void credit_overflow_intel(struct cpu *cpu, u64 wrapped, u64 debugctl)
{
    bool pmi = wrapped & cpu->pmu.core.due_pmi;

    wrmsr(IA32_PERF_GLOBAL_STATUS_SET, wrapped | credit_freeze(pmi, debugctl, true));
    if (pmi)
        pmi_raise(cpu, true);
}
