/* Event selectors. AMD's (APM 13.2) are PERF_CTL0-5 at C0010200+2n, the first four also
 * PerfEvtSel0-3 at C0010000+n; Intel's (SDM 20.2.1) are IA32_PERFEVTSELx at 186H+n. Under Cede they
 * read back as written whether the event is allowed or not, through both names, on each core for
 * itself; a denied one is counted as a denial. QEMU keeps nothing in these MSRs, so bare they only
 * have to be harmless. */
#include "cede.h"
#include "cpu.h"
#include "fault.h"
#include "pmu_probes.h"
#include "report.h"

enum { COUNTERS = 6, ALIASED = 4, PATIENCE_MS = 5000, MANY = 100, LISTED = 7 };

#define EN      BIT(22)
#define ENABLED 0x430000ULL /* USR, OS, EN */

/* In the built-in allow-list `architectural` and outside it (docs/policy.md). */
struct events {
    u64 allowed[LISTED], denied[LISTED];
    u32 denied_count;
};

static const struct events amd = {
    .allowed = {ENABLED | 0x76, ENABLED | 0xc0, ENABLED | 0xc2, ENABLED | 0xc3, 0x4100c0, 0x420076,
                0x5300c0},
    .denied = {ENABLED | 0xff29,              /* nobody's event */
               ENABLED | 0xe0,                /* northbridge on families 10h-15h */
               ENABLED | 0xff | 0xfULL << 32, /* merge */
               ENABLED | 0xffff,
               /* The last one has reserved bits, which on L3 are the core enables: what a processor
                * keeps of them is its own affair, so that it is not read back. */
               0xff00000000ULL | ENABLED},
    .denied_count = 5,
};

static const struct events intel = {
    .allowed = {ENABLED | 0x3c, ENABLED | 0xc0, ENABLED | 0xc4, ENABLED | 0xc5, 0x41013c, 0x424f2e,
                0x53412e},
    .denied = {ENABLED | 0xff29, ENABLED | 0x1b7, ENABLED | 0x1cd, ENABLED | 0xffff,
               0xff00000000ULL | ENABLED},
    .denied_count = 5,
};

static const struct events *events(void)
{
    return is_amd ? &amd : &intel;
}

/* PerfCtrExtCore: the core names exist, and counters 4 and 5. */
static bool extended(void)
{
    return is_amd && (cpuid(0x80000001, 0).ecx & BIT(23));
}

/* The name that the processor has had longest. */
static u32 legacy(u32 counter)
{
    return is_amd ? MSR_PERFEVTSEL0 + counter : msr_selector(counter);
}

static u32 core_name(u32 counter)
{
    return msr_selector(counter);
}

static void write_any(u32 msr, u64 value)
{
    int vector = wrmsr_safe(msr, value);
    expect(vector == NO_FAULT || vector == VECTOR_GP, "WRMSR %x: vector %d", msr, vector);
    vector = rdmsr_safe(msr, &value);
    expect(vector == NO_FAULT || vector == VECTOR_GP, "RDMSR %x: vector %d", msr, vector);
}

/* Bare too: values of all kinds into all selectors harm nothing. */
static void harmless(u64 unused)
{
    (void)unused;
    for (u32 counter = 0; counter < COUNTERS; counter++) {
        for (u32 i = 0; i < events()->denied_count; i++) {
            write_any(core_name(counter), events()->denied[i]);
            write_any(core_name(counter), events()->allowed[i]);
            if (counter < ALIASED) {
                write_any(legacy(counter), events()->denied[i]);
            }
        }
        write_any(core_name(counter), 0);
    }
}

static void reads_as(u32 write_name, u32 read_name, u64 value)
{
    u64 read = 0;
    int vector = wrmsr_safe(write_name, value);
    expect(vector == NO_FAULT, "core %u: WRMSR %x: vector %d", this_core()->index, write_name,
           vector);
    vector = rdmsr_safe(read_name, &read);
    expect(vector == NO_FAULT && read == value, "core %u: %x written %lx, %x reads %lx (vector %d)",
           this_core()->index, write_name, value, read_name, read, vector);
}

static void all_names(u32 counter, u64 value)
{
    if (counter < ALIASED) {
        reads_as(legacy(counter), legacy(counter), value);
    }
    if (extended()) {
        reads_as(core_name(counter), core_name(counter), value);
    }
    if (extended() && counter < ALIASED) {
        reads_as(legacy(counter), core_name(counter), value);
        reads_as(core_name(counter), legacy(counter), value ^ EN);
        reads_as(core_name(counter), legacy(counter), value);
    }
}

static void read_back(u64 values)
{
    const u64 *list = values ? events()->denied : events()->allowed;
    u32 count = values ? events()->denied_count - 1 : LISTED;
    for (u32 counter = 0; counter < (extended() ? COUNTERS : ALIASED); counter++) {
        for (u32 i = 0; i < count; i++) {
            all_names(counter, list[i]);
        }
        all_names(counter, 0);
    }
}

/* Different values on all cores at once, then each finds its own. */
static void write_own(u64 unused)
{
    (void)unused;
    wrmsr(legacy(0), ENABLED | 0xc0 | (u64)this_core()->index << 24);
}

static void find_own(u64 unused)
{
    (void)unused;
    u64 value = rdmsr(legacy(0));
    expect(value == (ENABLED | 0xc0 | (u64)this_core()->index << 24), "core %u reads %lx",
           this_core()->index, value);
    wrmsr(legacy(0), 0);
}

static u64 denials(void)
{
    return hypercall(HYPERCALL_DENIALS, (u32)hypercall(HYPERCALL_SELF, 0, 0), 0);
}

static u64 denials_after(u64 value)
{
    u64 before = denials();
    for (u32 i = 0; i < MANY; i++) {
        wrmsr(legacy(i % ALIASED), value);
    }
    return denials() - before;
}

static void count_denials(u64 unused)
{
    (void)unused;
    u32 index = this_core()->index;
    const u64 *denied = events()->denied;
    u64 counted = denials_after(events()->allowed[0]);
    expect(counted == 0, "core %u: %lu denials of an allowed event", index, counted);
    counted = denials_after(denied[0]);
    expect(counted == MANY, "core %u: %lu denials after %u", index, counted, MANY);
    counted = denials_after(0);
    expect(counted == 0, "core %u: %lu denials of zero", index, counted);
    counted = denials_after(denied[0] & ~EN);
    expect(counted == 0, "core %u: %lu denials without EN", index, counted);
    counted = is_amd ? denials_after(denied[2] & ~EN) : MANY;
    expect(counted == MANY, "core %u: %lu denials of the merge event, which acts without EN", index,
           counted);
    for (u32 i = 0; i < ALIASED; i++) {
        wrmsr(legacy(i), 0);
    }
}

static void cede_probe(const char *name, core_work *work, u64 argument)
{
    test_begin_cede(name);
    expect(core_run_all(work, argument, PATIENCE_MS), "a core did not finish");
    test_end();
}

void selector_probes(void)
{
    u64 value = 0;
    test_begin("selectors-harmless");
    expect(core_run_all(harmless, 0, PATIENCE_MS), "a core did not finish");
    test_end();
    wrmsr_safe(legacy(0), events()->allowed[0]);
    rdmsr_safe(legacy(0), &value);
    wrmsr_safe(legacy(0), 0);
    say("info: selector 0 written %lx reads %lx, core names %s", events()->allowed[0], value,
        extended() ? "present" : "absent");
    if (under_cede()) {
        cede_probe("selectors-allowed-read-back", read_back, 0);
        cede_probe("selectors-denied-read-back", read_back, 1);
        test_begin_cede("selectors-per-core");
        expect(core_run_all(write_own, 0, PATIENCE_MS), "a core did not finish");
        expect(core_run_all(find_own, 0, PATIENCE_MS), "a core did not finish");
        test_end();
        cede_probe("selectors-denials-counted", count_denials, 0);
    }
}
