/* Steps of the fast paths' credit (counters/credit_fast.h), single and random, the same on both
 * vendors: for their tests, which have what is declared here, SELECTORS of them, and the fast path
 * with write_halves() for wrmsr_halves_safe(). */
#ifndef CEDE_FAST_CREDIT_CHECK_H
#define CEDE_FAST_CREDIT_CHECK_H

#define RUNNING (EVTSEL_EN | EVTSEL_USR | EVTSEL_OS)
#define TOP     MASK(47, 0)
#define ALL     (~0ULL)

static void allow(u32 preset, u64 modifiers);
static void change_mode(enum pmu_mode mode);
static void executes_cpuid(bool user);
static void writes_selector(u32 counter, u64 value);
static u64 some_selector(void);
static void guest_does_something(void);

static struct filter filter, nothing;
static u8 *block;
static struct cpu *cpu;
static u32 pmis, fast, slow;
static const struct pmu_access access = {cpuid, rdmsr_safe, wrmsr_safe};

static bool write_halves(u32 msr, u32 low, u32 high)
{
    return wrmsr_safe(msr, (u64)high << 32 | low);
}

static u64 get(u32 msr)
{
    return rdmsr(msr);
}

static void set(u32 msr, u64 value)
{
    fake.msr[fake_msr_index(msr)].value = value;
}

static int tear_down(void **state)
{
    (void)state;
    free(block);
    return 0;
}

/* Since it was asked last, or told to forget. */
static void expect_fast(u32 exits)
{
    assert_int_equal(fast, exits);
    fast = slow = 0;
}

static void know_instructions(u32 counter)
{
    executes_cpuid(false);
    writes_selector(counter, RUNNING | 0xc0);
    executes_cpuid(false);
    fast = slow = 0;
    executes_cpuid(false);
    expect_fast(1);
}

/* --- all of it, in any order ------------------------------------------------------------------ */

static u32 seed = 1;

static u32 below(u32 limit)
{
    seed = seed * 1664525 + 1013904223;
    return (u32)(((u64)seed * limit) >> 32);
}

static void some_policy(void)
{
    static const u32 presets[] = {PRESET_ARCHITECTURAL, PRESET_CORE, PRESET_ALL};

    if (below(2))
        filter = (struct filter){0};
    else
        allow(presets[below(3)], below(2) ? EVTSEL_CMASK | EVTSEL_INV : 0);
    change_mode(below(2) ? PMU_FILTERED : below(2) ? PMU_FULL : PMU_OFF);
}

static void something_happens(void)
{
    u32 what = below(100);

    if (what < 2)
        some_policy();
    else if (what < 20)
        guest_does_something();
    else if (what < 50 && cpu->pmu.core.mode != PMU_FULL)
        writes_selector(below(SELECTORS), some_selector());
    else
        executes_cpuid(below(2));
}

#endif
