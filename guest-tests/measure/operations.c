/* Round trips, and what they count: loops of one operation, each counted for every event that the
 * policy's preset `architectural` allows, once by the TSC. From all the loop of nothing is taken
 * off, so that what is left is per operation: bare the operation's own, under Cede that and what
 * exit, emulation and entry add. */
#include "apic.h"
#include "cede.h"
#include "fault.h"
#include "machine.h"
#include "measure.h"
#include "report.h"
#include "samples.h"

enum { TURNS = 1000, SPARE = 1, IPI_VECTOR = 0x90 };

static u64 turns;
static u32 spare, allowed; /* a selector, and what the policy allows it to count */

/* --- what is done -------------------------------------------------------------------------------
 */
struct operation {
    const char *name;
    core_work *loop;
    bool user; /* at CPL 3 */
};

#define LOOP(name, text, ...)                                           \
    static void name(u64 left)                                          \
    {                                                                   \
        __asm__ volatile("1: " text "\n dec %[left]; jnz 1b"            \
                         : [left] "+r"(left)                            \
                         : __VA_ARGS__                                  \
                         : "rax", "rbx", "rcx", "rdx", "memory", "cc"); \
    }

#define WRMSR_LOOP(name, number, low_, high_)                                     \
    LOOP(name, "mov %[msr], %%ecx; mov %[low], %%eax; mov %[high], %%edx; wrmsr", \
         [msr] "r"((u32)(number)), [low] "r"((u32)(low_)), [high] "r"((u32)(high_)))

#define ENABLED (SELECT_USR | SELECT_OS | SELECT_EN)

LOOP(nothing, "", "D"(0))
LOOP(cpuid_0, "xor %%eax, %%eax; xor %%ecx, %%ecx; cpuid", "D"(0))
LOOP(cpuid_1, "mov $1, %%eax; xor %%ecx, %%ecx; cpuid", "D"(0))
LOOP(read_tsc, "rdtsc", "D"(0))
LOOP(read_efer, "mov $0xc0000080, %%ecx; rdmsr", "D"(0))
WRMSR_LOOP(write_lstar, MSR_LSTAR, 0, 0)
WRMSR_LOOP(selector_allowed, spare, ENABLED | allowed, 0)
WRMSR_LOOP(selector_denied, spare, ENABLED | PERFMON_DENIED, 0)
WRMSR_LOOP(selector_zero, spare, 0, 0)
LOOP(selector_read, "mov %[msr], %%ecx; rdmsr", [msr] "r"(spare))
LOOP(port_80, "outb %%al, $0x80", "D"(0))
LOOP(xapic_icr_self, "movl $0x44090, 0x300(%[page])", [page] "r"(APIC_PAGE))
LOOP(xapic_tpr, "movl $0, 0x80(%[page])", [page] "r"(APIC_PAGE))
LOOP(xapic_eoi, "movl $0, 0xb0(%[page])", [page] "r"(APIC_PAGE))
LOOP(xapic_read_id, "movl 0x20(%[page]), %%eax", [page] "r"(APIC_PAGE))
WRMSR_LOOP(x2apic_icr_self, MSR_X2APIC_ICR, ICR_SELF | ICR_ASSERT | IPI_VECTOR, 0)
WRMSR_LOOP(x2apic_tpr, 0x808, 0, 0)
WRMSR_LOOP(x2apic_eoi, MSR_X2APIC_EOI, 0, 0)

static const struct operation base[] = {{"nothing", nothing, false},
                                        {"user-nothing", nothing, true}};

static const struct operation common[] = {
    {"cpuid-0", cpuid_0, false},
    {"cpuid-1", cpuid_1, false},
    {"user-cpuid-0", cpuid_0, true},
    {"rdtsc", read_tsc, false},
    {"rdmsr-efer", read_efer, false},
    {"wrmsr-lstar", write_lstar, false},
    {"selector-allowed", selector_allowed, false},
    {"selector-denied", selector_denied, false},
    {"selector-zero", selector_zero, false},
    {"selector-read", selector_read, false},
    {"port-80", port_80, false},
};

static const struct operation xapic[] = {
    {"xapic-icr-self", xapic_icr_self, false},
    {"xapic-tpr", xapic_tpr, false},
    {"xapic-eoi", xapic_eoi, false},
    {"xapic-read", xapic_read_id, false},
};

static const struct operation x2apic[] = {
    {"x2apic-icr-self", x2apic_icr_self, false},
    {"x2apic-tpr", x2apic_tpr, false},
    {"x2apic-eoi", x2apic_eoi, false},
};

/* --- what is counted ----------------------------------------------------------------------------
 */
/* In the ring that the operation is in, or in the other one, where nothing of it may count. */
struct counting {
    const char *name;
    u64 select; /* 0: the TSC */
    bool other_ring;
};

static const struct counting intel[] = {
    {"tsc", 0, false},
    {"instructions", 0xc0, false},
    {"cycles", 0x3c, false},
    {"reference-cycles", 0x13c, false},
    {"branches", 0xc4, false},
    {"branch-misses", 0xc5, false},
    {"cache-references", 0x4f2e, false},
    {"cache-misses", 0x412e, false},
    {"instructions-other-ring", 0xc0, true},
    {"cycles-other-ring", 0x3c, true},
    {"branches-other-ring", 0xc4, true},
};

/* From Zen on (family 17h). */
static const struct counting amd[] = {
    {"tsc", 0, false},
    {"instructions", 0xc0, false},
    {"cycles", 0x76, false},
    {"reference-cycles", BIT(32) | 0x120, false},
    {"branches", 0xc2, false},
    {"branch-misses", 0xc3, false},
    {"cache-references", 0xff60, false},
    {"cache-misses", 0x964, false},
    {"instructions-other-ring", 0xc0, true},
    {"cycles-other-ring", 0x76, true},
    {"branches-other-ring", 0xc2, true},
};

static const struct perfmon *pmu;

static void run(const struct operation *o)
{
    if (o->user) {
        attempt_user(o->loop, turns, NULL);
    } else {
        o->loop(turns);
    }
}

static u64 ticks(const struct operation *o)
{
    u64 start = rdtsc();
    run(o);
    return rdtsc() - start;
}

static u64 count(const struct operation *o, const struct counting *c)
{
    u32 ring = o->user == c->other_ring ? SELECT_OS : SELECT_USR;
    wrmsr(pmu->counter, 0);
    wrmsr(pmu->selector, c->select | ring | SELECT_EN);
    run(o);
    wrmsr(pmu->selector, 0);
    return rdmsr(pmu->counter);
}

static void take(const struct operation *o, const struct counting *c, int64_t values[SAMPLES])
{
    for (u32 i = 0; i < SAMPLES; i++) {
        values[i] = (int64_t)(c->select ? count(o, c) : ticks(o));
    }
}

static void measure(const struct operation *o, const struct counting *c)
{
    const struct measured m = {"op", o->name, c->name, c->select ? "count/op" : "ticks/op"};
    int64_t values[SAMPLES], nothings[SAMPLES];
    take(&base[o->user], c, nothings);
    take(o, c, values);
    for (u32 i = 0; i < SAMPLES; i++) {
        values[i] -= samples_median(nothings);
    }
    samples_say(&m, values, turns);
}

static void measure_list(const struct operation *list, u32 operations)
{
    const struct counting *all = is_amd ? amd : intel;
    u32 count_of_all = pmu ? (is_amd ? COUNT(amd) : COUNT(intel)) : 1;
    for (u32 i = 0; i < operations; i++) {
        for (u32 j = 0; j < count_of_all; j++) {
            measure(&list[i], &all[j]);
        }
    }
}

/* The counter that counts is judged, too: where it stands still there is nothing to compare. */
static void counter_probe(void)
{
    static const struct counting instructions = {"", 0xc0, false};
    test_begin("measure-counter");
    if (pmu) {
        u64 counted = count(&base[0], &instructions);
        expect(counted >= 2 * turns, "%lu instructions in %lu turns", counted, turns);
    }
    test_end();
}

void operation_measures(const struct perfmon *p)
{
    pmu = p;
    turns = option_number("turns", TURNS);
    spare = msr_selector(SPARE);
    allowed = is_amd ? 0xc2 : 0xc4;
    if (p) {
        perfmon_reset(p);
    }
    if (p && p->global_ctrl) {
        wrmsr(p->global_ctrl, perfmon_all(p));
    }
    counter_probe();
    measure_list(base, COUNT(base));
    measure_list(common, COUNT(common));
    wrmsr(spare, 0);
    if (!apic_is_x2()) {
        measure_list(xapic, COUNT(xapic));
    }
    if (cpuid(1, 0).ecx & BIT(21)) {
        wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_EXTD);
        measure_list(x2apic, COUNT(x2apic));
    }
    irq_window();
}
