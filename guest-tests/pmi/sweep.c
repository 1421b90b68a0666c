/* A counter overflows at every instruction around exits of each kind. Each overflow is one PMI;
 * with load option skid=N, as the bed's --skid, it strikes N instructions later. Bare its place is
 * known exactly. Under a hypervisor an exit may come first: then it strikes at the entry after that
 * exit at the earliest, and where it does bare at the latest, since the hypervisor's instructions
 * count as skid. */
#include "apic.h"
#include "cede.h"
#include "core.h"
#include "machine.h"
#include "pmi.h"
#include "report.h"

enum { VECTOR_PMI = 0x92, LVT_NMI = 4 << 8 };

struct sequence {
    const char *name, *name_fixed;
    void (*run)(const struct sequence_call *call);
    const char *start;
    const struct instruction *table;
    const u32 *swept;
};

struct place {
    u32 earliest, latest; /* as indices into the table: how many instructions were through */
};

static struct {
    const struct perfmon *perfmon;
    u32 lvt, skid;
    volatile u32 hits;
    volatile u64 rip;
} now;

static void on_pmi(struct frame *frame)
{
    now.hits++;
    now.rip = frame->rip;
    perfmon_acknowledge(now.perfmon, now.lvt);
    if (frame->vector != VECTOR_NMI) {
        apic_eoi();
    }
}

/* After `n` instructions, or one more where interrupts are held off. */
static u32 past_shadow(const struct sequence *s, u32 n)
{
    return s->table[n - 1].kind == KIND_SHADOW ? n + 1 : n;
}

/* Where the PMI of an overflow at instruction `n` (from 1 on) may strike. */
static struct place allowed(const struct sequence *s, u32 n, bool bare)
{
    u32 latest = past_shadow(s, n + now.skid);
    for (u32 i = n; !bare && i <= latest; i++) {
        if (s->table[i - 1].kind == KIND_EXIT) {
            return (struct place){past_shadow(s, i), latest};
        }
    }
    return (struct place){latest, latest};
}

static u32 place_of(const struct sequence *s, u64 rip)
{
    u32 i = 1;
    while (i <= *s->swept + MAX_SKID && s->table[i - 1].end != rip - (u64)s->start) {
        i++;
    }
    return i;
}

static void sweep_one(const struct sequence *s, const struct sequence_call *call, u32 n, bool bare,
                      u32 *as_bare)
{
    const struct perfmon *p = now.perfmon;
    perfmon_reset(p);
    wrmsr(p->counter, perfmon_before(n));
    wrmsr(p->selector, p->event[INSTRUCTIONS] | SELECT_OS | SELECT_INT | SELECT_EN);
    apic_write(APIC_LVT_PMC, now.lvt);
    now.hits = 0;
    irq_on();
    s->run(call);
    irq_off();
    u32 place = place_of(s, now.rip);
    struct place right = allowed(s, n, bare);
    expect(now.hits == 1, "overflow at %u: %u PMIs", n, now.hits);
    expect(place >= right.earliest && place <= right.latest,
           "overflow at %u: after %u instructions, not %u to %u", n, place, right.earliest,
           right.latest);
    *as_bare += place == right.latest;
}

static void sweep(const struct sequence *s, const struct sequence_call *call, const char *name,
                  u32 lvt, bool bare)
{
    u32 as_bare = 0;
    test_begin(name);
    now.lvt = lvt;
    for (u32 n = 1; n <= *s->swept; n++) {
        sweep_one(s, call, n, bare, &as_bare);
    }
    perfmon_reset(now.perfmon);
    test_end();
    say("info: %s: %u overflows, %u struck where they do bare", name, *s->swept, as_bare);
}

static void sweep_both(const struct sequence *s, u64 subject, u64 value, bool bare)
{
    struct sequence_call call = {now.perfmon->global_ctrl, perfmon_all(now.perfmon), 0, subject,
                                 value};
    sweep(s, &call, s->name, LVT_NMI, bare);
    sweep(s, &call, s->name_fixed, VECTOR_PMI, bare);
}

#define NAMED(text, code)                                                                  \
    &(const struct sequence)                                                               \
    {                                                                                      \
        text "-by-nmi", text "-by-vector", code, code##_start, code##_table, &code##_swept \
    }

static void with_xsetbv(bool bare)
{
    if (cpuid(1, 0).ecx & BIT(26)) {
        WRITE_CR(4, READ_CR(4) | CR4_OSXSAVE);
        sweep_both(NAMED("xsetbv", sequence_xsetbv), 0, 0, bare);
        WRITE_CR(4, READ_CR(4) & ~(u64)CR4_OSXSAVE);
    }
}

void sweep_probes(const struct perfmon *p)
{
    struct core *core = this_core();
    u32 spare = perfmon_selector(p, 2);
    bool bare = !under_cede();
    now.perfmon = p;
    now.skid = (u32)option_number("skid", 0);
    core->handler[VECTOR_NMI] = core->handler[VECTOR_PMI] = on_pmi;
    sweep_both(NAMED("cpuid", sequence_cpuid), 0, 0, bare);
    sweep_both(NAMED("cpuid-in-shadow", sequence_shadow), 0, 0, bare);
    sweep_both(NAMED("selector-allowed", sequence_wrmsr), spare,
               p->event[BRANCHES] | SELECT_EN | SELECT_USR, bare);
    sweep_both(NAMED("selector-denied", sequence_wrmsr), spare,
               PERFMON_DENIED | SELECT_EN | SELECT_OS, bare);
    sweep_both(NAMED("selector-read", sequence_rdmsr), spare, 0, bare);
    sweep_both(NAMED("efer-read", sequence_rdmsr), MSR_EFER, 0, bare);
    sweep_both(NAMED("efer-write", sequence_wrmsr), MSR_EFER, rdmsr(MSR_EFER), bare);
    sweep_both(NAMED("apic-base-write", sequence_wrmsr), MSR_APIC_BASE, rdmsr(MSR_APIC_BASE), bare);
    sweep_both(NAMED("counter-write", sequence_wrmsr), perfmon_counter(p, 2), 0, bare);
    sweep_both(NAMED("port", sequence_in), machine.pm1a_control, 0, bare);
    with_xsetbv(bare);
    core->handler[VECTOR_NMI] = core->handler[VECTOR_PMI] = NULL;
}
