/* Architectural perfmon's registers and counts, bare. */
#include "apic.h"
#include "core.h"
#include "machine.h"
#include "probe.h"

#define PERFEVTSEL    0x186U
#define PMC           0xc1U
#define A_PMC         0x4c1U
#define FIXED_CTR     0x309U
#define PERF_METRICS  0x329U
#define CAPABILITIES  0x345U
#define FIXED_CTRL    0x38dU
#define STATUS        0x38eU
#define GLOBAL_CTRL   0x38fU
#define STATUS_RESET  0x390U
#define STATUS_SET    0x391U
#define INUSE         0x392U
#define DEBUGCTL      0x1d9U
#define CTR_FRZ       BIT(59)
#define INSTRUCTIONS  0xc0U
#define BRANCHES      0xc4U
#define BRANCH_MISSES 0xc5U
#define INTERRUPTS    0x01cbU

static u32 version, gp, fixed;

static void all_off(void)
{
    wrmsr(GLOBAL_CTRL, 0);
    for (u32 k = 0; k < gp; k++) {
        wrmsr(PERFEVTSEL + k, 0);
        wrmsr(PMC + k, 0);
    }
    wrmsr(FIXED_CTRL, 0);
    for (u32 k = 0; k < fixed; k++) {
        wrmsr(FIXED_CTR + k, 0);
    }
    wrmsr(STATUS_RESET, rdmsr(STATUS));
    wrmsr(DEBUGCTL, 0);
}

static void enumeration(void)
{
    struct cpuid leaf = cpuid(0x0a, 0);
    version = leaf.eax & 0xff;
    gp = leaf.eax >> 8 & 0xff;
    fixed = leaf.edx & 0x1f;
    say("info: perfmon version %u, %u + %u counters of %u bits", version, gp, fixed,
        leaf.eax >> 16 & 0xff);
    test_begin("enumeration");
    expect(version >= 4 && gp == 8 && fixed == 4, "the default model");
    expect(cpuid(1, 0).ecx >> 15 & 1, "PDCM is clear");
    expect(!(cpuid(1, 0).edx >> 21 & 1), "DS is set");
    u64 capabilities = rdmsr(CAPABILITIES);
    expect((capabilities & 0xfff) == (cpuid(7, 0).edx >> 19 & 1 ? 0x3f : 5),
           "PERF_CAPABILITIES %lx", capabilities);
    expect(capabilities >> 13 & 1, "no full-width writes");
    expect((rdmsr(0x1a0) & 0x1880) == 0x1880, "MISC_ENABLE %lx", rdmsr(0x1a0));
    test_end();
}

/* The same code, counted by four counters under every way of switching them on. */
static void exact_counts(void)
{
    static const struct known_counts known[] = KNOWN_COUNTS;
    for (u32 k = 0; k < sizeof known / sizeof known[0]; k++) {
        const struct known_counts *now = &known[k];
        test_begin(now->name);
        all_off();
        wrmsr(PERFEVTSEL, SELECT_ALL | INSTRUCTIONS);
        wrmsr(PERFEVTSEL + 1, SELECT_ALL | BRANCHES);
        wrmsr(PERFEVTSEL + 2, SELECT_EN | SELECT_USR | INSTRUCTIONS);
        wrmsr(PERFEVTSEL + 3, SELECT_EN | SELECT_OS | INSTRUCTIONS);
        wrmsr(FIXED_CTRL, 0x3033);
        now->body(&(struct counted_switch){GLOBAL_CTRL, 0xfULL | 0xfULL << 32, 0});
        expect_equal("instructions", rdmsr(PMC), now->instructions);
        expect_equal("branches", rdmsr(PMC + 1), now->branches);
        expect_equal("user instructions", rdmsr(PMC + 2), 0);
        expect_equal("kernel instructions", rdmsr(PMC + 3), now->instructions);
        expect_equal("fixed instructions", rdpmc(0x40000000), now->instructions);
        expect_equal("fixed cycles", rdpmc(0x40000001), now->instructions);
        expect_equal("slots", rdpmc(0x40000003), 4 * now->instructions);
        all_off();
        wrmsr(GLOBAL_CTRL, 1 | 1ULL << 32);
        now->body(&(struct counted_switch){PERFEVTSEL, SELECT_ALL | INSTRUCTIONS, 0});
        expect_equal("instructions by PERFEVTSEL", rdmsr(PMC), now->instructions);
        now->body(&(struct counted_switch){FIXED_CTRL, 3, 0});
        expect_equal("instructions by FIXED_CTR_CTRL", rdmsr(FIXED_CTR), now->instructions);
        test_end();
    }
}

static u64 with_select(u64 select, void (*body)(const struct counted_switch *))
{
    all_off();
    wrmsr(GLOBAL_CTRL, 1);
    body(&(struct counted_switch){PERFEVTSEL, select | SELECT_ALL, 0});
    return rdmsr(PMC);
}

static void events(void)
{
    test_begin("events");
    expect_equal("conditional", with_select(0x11c4, body_calls), 1000);
    expect_equal("calls", with_select(0x02c4, body_calls), 1000);
    expect_equal("returns", with_select(0x08c4, body_calls), 1000);
    expect_equal("taken", with_select(0x20c4, body_calls), 2999);
    expect_equal("far", with_select(0x40c4, body_calls), 0);
    expect_equal("far return", with_select(0x40c4, body_far), 1);
    expect_equal("all branches, one far", with_select(BRANCHES, body_far), 1);
    expect_equal("misses of a loop", with_select(BRANCH_MISSES, body_loop), 1);
    expect_equal("an unknown event", with_select(0xff, body_loop), 0);
    expect_equal("CMASK 2", with_select(SELECT_CMASK * 2 | INSTRUCTIONS, body_loop), 0);
    expect_equal("INV, CMASK 16",
                 with_select(SELECT_CMASK * 16 | SELECT_INV | INSTRUCTIONS, body_nops), 1004);
    expect_equal("INV, CMASK 1 of branches",
                 with_select(SELECT_CMASK | SELECT_INV | BRANCHES, body_loop), 100001 + OVERHEAD);
    expect_equal("edges of branches", with_select(SELECT_CMASK | SELECT_EDGE | BRANCHES, body_loop),
                 100000);
    u64 references = with_select(0x4f2e, body_rep), misses = with_select(0x412e, body_rep);
    expect(references >= 64 && references < 80, "%lu cache references for 64 lines", references);
    expect(misses <= references && misses >= 32, "%lu cache misses", misses);
    test_end();
}

static void registers(void)
{
    test_begin("registers");
    all_off();
    wrmsr(PMC, 0xffffffff80000000);
    expect_equal("sign-extended", rdmsr(A_PMC), 0xffff80000000);
    expect_write(A_PMC, BIT(48), VECTOR_GP);
    wrmsr(A_PMC, 0x123456789abc);
    expect_equal("full width", rdmsr(PMC), 0x123456789abc);
    expect_write(PERFEVTSEL, BIT(32), VECTOR_GP);
    expect_write(PERFEVTSEL + gp, 0, VECTOR_GP);
    expect_write(FIXED_CTR, BIT(48), VECTOR_GP);
    expect_write(FIXED_CTRL, BIT(16), VECTOR_GP);
    expect_write(GLOBAL_CTRL, BIT(gp), VECTOR_GP);
    expect_write(GLOBAL_CTRL, BIT(36), VECTOR_GP);
    expect_write(STATUS, 0, VECTOR_GP);
    expect_write(INUSE, 0, VECTOR_GP);
    expect_write(CAPABILITIES, 0, VECTOR_GP);
    expect_write(STATUS_RESET, BIT(40), VECTOR_GP);
    expect_write(DEBUGCTL, BIT(7), VECTOR_GP);
    expect_absent(0x3f1);
    expect_absent(0x600);
    expect_absent(PMC + gp);
    expect_absent(FIXED_CTR + fixed);
    wrmsr(PERFEVTSEL + 2, INSTRUCTIONS);
    wrmsr(FIXED_CTRL, 0x80);
    expect_equal("INUSE", rdmsr(INUSE), 4 | BIT(63));
    wrmsr(STATUS_SET, 1);
    expect_equal("STATUS_SET", rdmsr(STATUS), 1);
    wrmsr(STATUS_RESET, 1);
    expect_equal("STATUS_RESET", rdmsr(STATUS), 0);
    all_off();
    test_end();
}

static void read_pmc(u64 index)
{
    (void)rdpmc((u32)index);
}

static void rdpmc_indices(void)
{
    static const u32 absent[] = {8, 0x40000004, 0x20000001, 0x80000000, 0x3fffffff};
    test_begin("rdpmc");
    for (u32 k = 0; k < sizeof absent / sizeof absent[0]; k++) {
        int vector = attempt(read_pmc, absent[k], 0);
        expect(vector == VECTOR_GP, "index %x: vector %d", absent[k], vector);
    }
    expect(attempt_user(read_pmc, 0, 0) == VECTOR_GP, "CPL 3 without CR4.PCE");
    WRITE_CR(4, READ_CR(4) | CR4_PCE);
    expect(attempt_user(read_pmc, 0, 0) == NO_FAULT, "CPL 3 with CR4.PCE");
    WRITE_CR(4, READ_CR(4) & ~(u64)CR4_PCE);
    test_end();
}

static void overflow(void)
{
    test_begin("overflow");
    all_off();
    wrmsr(PMC, (u64)-1003);
    wrmsr(GLOBAL_CTRL, 1);
    body_nops(&(struct counted_switch){PERFEVTSEL, SELECT_ALL | INSTRUCTIONS, 0});
    expect_equal("the value after 1 - n and n events", rdmsr(PMC), 1);
    expect_equal("STATUS", rdmsr(STATUS), 1);
    all_off();
    test_end();
}

/* From version 4 on: CTR_FRZ stops the counters and leaves GLOBAL_CTRL alone. */
static void freeze(void)
{
    test_begin("freeze");
    all_off();
    wrmsr(DEBUGCTL, BIT(12));
    wrmsr(PMC, (u64)-500);
    wrmsr(GLOBAL_CTRL, 1);
    apic_write(APIC_LVT_PMC, APIC_LVT_MASK);
    body_nops(&(struct counted_switch){PERFEVTSEL, SELECT_ALL | SELECT_INT | INSTRUCTIONS, 0});
    expect_equal("the frozen counter", rdmsr(PMC), option_number("skid", 0));
    expect_equal("STATUS", rdmsr(STATUS), CTR_FRZ | 1);
    expect_equal("GLOBAL_CTRL", rdmsr(GLOBAL_CTRL), 1);
    wrmsr(STATUS_RESET, CTR_FRZ);
    wrmsr(PMC, 0);
    body_nops(&(struct counted_switch){PERFEVTSEL, SELECT_ALL | INSTRUCTIONS, 0});
    expect_equal("after the thaw", rdmsr(PMC), 1000 + OVERHEAD);
    all_off();
    test_end();
}

static void acknowledge(void)
{
    wrmsr(STATUS_RESET, rdmsr(STATUS));
}

static void pmis(void)
{
    all_off();
    wrmsr(GLOBAL_CTRL, 1);
    struct counted_switch how = {PERFEVTSEL, SELECT_ALL | SELECT_INT | INSTRUCTIONS, 0};
    pmi_probe("pmi", PMC, &how, acknowledge, true);
    all_off();
    wrmsr(GLOBAL_CTRL, 1ULL << 32);
    how = (struct counted_switch){FIXED_CTRL, 0xb, 0};
    pmi_probe("pmi-fixed", FIXED_CTR, &how, acknowledge, true);
}

static void metrics(void)
{
    test_begin("metrics");
    all_off();
    wrmsr(FIXED_CTRL, 0x3000);
    wrmsr(PERF_METRICS, 0);
    body_calls(&(struct counted_switch){GLOBAL_CTRL, BIT(35) | BIT(48), 0});
    u64 value = rdpmc(0x20000000);
    expect_equal("PERF_METRICS", rdmsr(PERF_METRICS), value);
    expect_equal("their sum",
                 (value & 0xff) + (value >> 8 & 0xff) + (value >> 16 & 0xff) + (value >> 24 & 0xff),
                 0xff);
    expect_equal("retiring", value & 0xff, 63);
    expect((value >> 16 & 0xff) > 100, "frontend is %lu of 255", value >> 16 & 0xff);
    expect_equal("slots", rdmsr(FIXED_CTR + 3), 4 * (4001 + OVERHEAD));
    all_off();
    test_end();
}

static void interrupts(void)
{
    all_off();
    wrmsr(PERFEVTSEL, SELECT_ALL | INSTRUCTIONS);
    wrmsr(PERFEVTSEL + 1, SELECT_ALL | INTERRUPTS);
    interrupts_probe(PMC, PMC + 1, &(struct counted_switch){GLOBAL_CTRL, 3, 0});
}

static void privilege(void)
{
    all_off();
    wrmsr(PERFEVTSEL, SELECT_EN | SELECT_USR | INSTRUCTIONS);
    wrmsr(PERFEVTSEL + 1, SELECT_EN | SELECT_OS | INSTRUCTIONS);
    wrmsr(GLOBAL_CTRL, 3);
    user_probe(PMC, PMC + 1);
}

static void count_here(u64 unused)
{
    (void)unused;
    expect_equal("instructions of a loop", with_select(INSTRUCTIONS, body_loop), 200001 + OVERHEAD);
}

#define UNCORE_GLOBAL 0xe01
static const struct socket_counter uncore[] = {{0x394, 0x395}, {0x700, 0x702}, {0x701, 0x703}};

void intel_probes(void)
{
    enumeration();
    exact_counts();
    events();
    registers();
    rdpmc_indices();
    overflow();
    freeze();
    pmis();
    metrics();
    interrupts();
    privilege();
    cores_probe(count_here);
    all_off();
    wrmsr(FIXED_CTRL, 0x330);
    wrmsr(GLOBAL_CTRL, BIT(33) | BIT(34));
    halt_probe(FIXED_CTR + 1, FIXED_CTR + 2);
    all_off();
    wrmsr(UNCORE_GLOBAL, BIT(29));
    socket_probe(uncore, sizeof uncore / sizeof uncore[0]);
    wrmsr(UNCORE_GLOBAL, 0);
    energy_probe(0x606, 0x611);
}
