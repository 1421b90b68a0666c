/* The credit in which nothing is left to find out, for fast paths (fast.c, on AMD page.c too). By
 * which selectors an instruction counts, and in which rings, credit_begin_*() has found out; it is
 * kept beside each (struct known_selectors).
 *
 * It follows from the selector as the guest wrote it, from mode and filter, and from the processor.
 * The selector is compared each time with the one that was judged, so that nobody who writes one
 * has to tell. Mode and filter of a core change in pmu_amd_start() and pmu_amd_switch(), Intel's
 * likewise, be it for a change of policy, a core that gets another guest, or a guest's next life;
 * each makes all invalid, in write_selectors() (pmu/amd.c) and write_all() (pmu/intel.c). Global
 * control, freezing, FIXED_CTR_CTRL and the counters change without an exit: they are read each
 * time.
 *
 * The credit comes before the instruction is emulated, by the settings in force then. Where it
 * cannot be given so, it is taken back and left to the slow way: to a counter that would carry into
 * its upper half, which may be a wrap, or for an instruction that turns out to be unusual. */
#ifndef CEDE_PMU_CREDIT_FAST_H
#define CEDE_PMU_CREDIT_FAST_H

#include "base/asm.h"
#include "cpu.h"

/* False, and nothing is changed: the lower half would wrap. */
static inline bool credit_add(u32 msr)
{
    u32 high, low = rdmsr_halves(msr, &high) + 1;

    if (unlikely(!low))
        return false;
    wrmsr_halves(msr, low, high);
    return true;
}

static inline void credit_subtract(u32 msr)
{
    u32 high, low = rdmsr_halves(msr, &high) - 1;

    wrmsr_halves(msr, low, high);
}

#define RINGS_UNKNOWN BIT(2) /* no ring's */

/* In which rings an instruction counts by a selector: nowhere while it does not enable. */
static inline u32 credit_rings(const struct known_selectors *known, u64 counter, u64 selector)
{
    if (likely(selector == known->selector[counter]))
        return known->rings[counter];
    return selector & EVTSEL_EN ? RINGS_UNKNOWN : 0;
}

/* Of `bits`, which are not 0. Without the XOR that the compiler adds to __builtin_ctz(). */
static inline u64 credit_lowest(u64 bits)
{
    u64 lowest;

    __asm__("bsf %1, %0" : "=r"(lowest) : "r"(bits) : "cc");
    return lowest;
}

/* Those of the first `count` selectors that are enabled; two instructions each. For attention to
 * all, which is a fast path's short word for attention to the one that it has written. */
static inline u32 credit_enabled(const u64 *shadow, u32 count)
{
    u32 enabled = 0;

#pragma GCC unroll 16
    for (u32 i = count; i > 0; i--)
        __asm__("btl %2, %1; adc %0, %0" /* CF is EN */
                : "+r"(enabled)
                : "m"(shadow[i - 1]), "i"(22)
                : "cc");
    return enabled;
}

/* Of one vendor's processors. */
struct credit_layout {
    u32 count, first, stride; /* selectors; MSR of the first counter; how far the next is */
};

/* Credits one instruction of `ring` to those of the general-purpose counters that are `enabled`
 * in GLOBAL_CTRL. False: not to all. Selectors by which nothing counts are not looked at again. */
static inline bool credit_selectors(struct pmu_core *core, const u64 *shadow, u64 enabled, u32 ring,
                                    struct credit_layout layout)
{
    u64 left, due;

    if (unlikely(core->attention == BIT(layout.count) - 1))
        core->attention = (u16)credit_enabled(shadow, layout.count) | core->known.kept;
    for (due = left = core->attention; left; left &= left - 1) {
        u64 i = credit_lowest(left);
        u32 rings = credit_rings(&core->known, i, shadow[i]);

        if (likely(rings & ring) && likely(enabled >> i & 1)) {
            if (unlikely(!credit_add(layout.first + layout.stride * (u32)i)))
                break;
            continue;
        }
        if (rings == RINGS_UNKNOWN)
            break;
        due &= ~(1ULL << i);
        if (!rings)
            core->attention &= (u16)~BIT(i) | core->known.kept;
    }
    core->due = due ^ left;
    return !left;
}

/* What credit_selectors() has done. */
static inline void credit_take_back(const struct pmu_core *core, struct credit_layout layout)
{
    for (u64 left = (u32)core->due; left; left &= left - 1)
        credit_subtract(layout.first + layout.stride * (u32)credit_lowest(left));
}

#endif
