/* AMD's core counters and PerfMonV2, bare. */
#include "core.h"
#include "probe.h"

#define K7_EVNTSEL    0xc0010000U
#define K7_PERFCTR    0xc0010004U
#define HWCR          0xc0010015U
#define PERF_CTL      0xc0010200U
#define PERF_CTR      0xc0010201U
#define GLOBAL_STATUS 0xc0000300U
#define GLOBAL_CTL    0xc0000301U
#define STATUS_CLR    0xc0000302U
#define STATUS_SET    0xc0000303U
#define IRPERF        0xc00000e9U
#define INSTRUCTIONS  0xc0U
#define BRANCHES      0xc2U
#define CYCLES        0x76U
#define INTERRUPTS    0x2cU

static void all_off(void)
{
    for (u32 k = 0; k < 6; k++) {
        wrmsr(PERF_CTL + 2 * k, 0);
        wrmsr(PERF_CTR + 2 * k, 0);
    }
    wrmsr(GLOBAL_CTL, 0x3f);
    wrmsr(STATUS_CLR, rdmsr(GLOBAL_STATUS));
}

static void enumeration(void)
{
    test_begin("enumeration");
    expect(cpuid(0x80000001, 0).ecx >> 23 & 1, "no PerfCtrExtCore");
    expect(cpuid(0x80000022, 0).eax & 1, "no PerfMonV2");
    expect((cpuid(0x80000022, 0).ebx & 0xf) == 6, "not 6 counters");
    expect(cpuid(0x80000008, 0).ebx >> 1 & 1, "no IRPerf");
    test_end();
}

static void exact_counts(void)
{
    static const struct known_counts known[] = KNOWN_COUNTS;
    for (u32 k = 0; k < sizeof known / sizeof known[0]; k++) {
        const struct known_counts *now = &known[k];
        test_begin(now->name);
        all_off();
        wrmsr(GLOBAL_CTL, 0);
        wrmsr(PERF_CTL, SELECT_ALL | INSTRUCTIONS);
        wrmsr(PERF_CTL + 2, SELECT_ALL | BRANCHES);
        wrmsr(PERF_CTL + 4, SELECT_EN | SELECT_USR | INSTRUCTIONS);
        wrmsr(PERF_CTL + 10, SELECT_EN | SELECT_OS | CYCLES);
        now->body(&(struct counted_switch){GLOBAL_CTL, 0x3f, 0});
        expect_equal("instructions", rdpmc(0), now->instructions);
        expect_equal("branches", rdmsr(K7_PERFCTR + 1), now->branches);
        expect_equal("user instructions", rdpmc(2), 0);
        expect_equal("kernel cycles", rdpmc(5), now->instructions);
        all_off();
        now->body(&(struct counted_switch){PERF_CTL, SELECT_ALL | INSTRUCTIONS, 0});
        expect_equal("instructions by PerfEvtSel", rdmsr(PERF_CTR), now->instructions);
        wrmsr(PERF_CTR + 6, 0);
        now->body(&(struct counted_switch){K7_EVNTSEL + 3, SELECT_ALL | INSTRUCTIONS, 0});
        expect_equal("instructions by the K7 alias", rdmsr(PERF_CTR + 6), now->instructions);
        test_end();
    }
}

static u64 with_select(u64 select, void (*body)(const struct counted_switch *))
{
    all_off();
    body(&(struct counted_switch){PERF_CTL, select | SELECT_ALL, 0});
    return rdmsr(PERF_CTR);
}

static void events(void)
{
    test_begin("events");
    expect_equal("conditional", with_select(0xd1, body_calls), 1000);
    expect_equal("returns", with_select(0xc8, body_calls), 1000);
    expect_equal("taken", with_select(0xc4, body_calls), 2999);
    expect_equal("far return", with_select(0xc6, body_far), 1);
    expect_equal("all branches, one far", with_select(BRANCHES, body_far), 1);
    expect_equal("misses of a loop", with_select(0xc3, body_loop), 1);
    expect_equal("an unknown event", with_select(0xff, body_loop), 0);
    expect_equal("edges of branches", with_select(SELECT_CMASK | SELECT_EDGE | BRANCHES, body_loop),
                 100000);
    u64 references = with_select(0xff60, body_rep), misses = with_select(0x0964, body_rep);
    expect(references >= 64 && references < 80, "%lu cache references for 64 lines", references);
    expect(misses <= references && misses >= 32, "%lu cache misses", misses);
    test_end();
}

static void registers(void)
{
    test_begin("registers");
    all_off();
    wrmsr(K7_EVNTSEL + 1, ~0ULL & ~(u64)SELECT_EN);
    expect_equal("reserved bits of PerfEvtSel", rdmsr(PERF_CTL + 2), 0x0000030fff97ffff);
    wrmsr(PERF_CTL + 2, 0);
    wrmsr(PERF_CTR + 2, ~0ULL);
    expect_equal("48 bits", rdmsr(K7_PERFCTR + 1), 0xffffffffffff);
    expect_write(GLOBAL_CTL, BIT(6), VECTOR_GP);
    expect_write(GLOBAL_STATUS, 0, VECTOR_GP);
    wrmsr(STATUS_SET, 3);
    expect_equal("STATUS_SET", rdmsr(GLOBAL_STATUS), 3);
    wrmsr(STATUS_CLR, 1);
    expect_equal("STATUS_CLR", rdmsr(GLOBAL_STATUS), 2);
    u64 before = rdmsr(IRPERF);
    body_nops(&(struct counted_switch){HWCR, rdmsr(HWCR) | BIT(30), rdmsr(HWCR)});
    expect_equal("IRPerf", rdmsr(IRPERF) - before, 1000 + OVERHEAD);
    all_off();
    test_end();
}

static void read_pmc(u64 index)
{
    (void)rdpmc((u32)index);
}

static void rdpmc_indices(void)
{
    test_begin("rdpmc");
    for (u32 index = 16; index < 28; index++) {
        expect(attempt(read_pmc, index, 0) == VECTOR_GP, "index %u does not fault", index);
    }
    test_end();
}

static void interrupts(void)
{
    all_off();
    wrmsr(GLOBAL_CTL, 0);
    wrmsr(PERF_CTL, SELECT_ALL | INSTRUCTIONS);
    wrmsr(PERF_CTL + 2, SELECT_ALL | INTERRUPTS);
    interrupts_probe(PERF_CTR, PERF_CTR + 2, &(struct counted_switch){GLOBAL_CTL, 3, 0});
}

static void privilege(void)
{
    all_off();
    wrmsr(PERF_CTL, SELECT_EN | SELECT_USR | INSTRUCTIONS);
    wrmsr(PERF_CTL + 2, SELECT_EN | SELECT_OS | INSTRUCTIONS);
    user_probe(PERF_CTR, PERF_CTR + 2);
}

static void count_here(u64 unused)
{
    (void)unused;
    expect_equal("instructions of a loop", with_select(INSTRUCTIONS, body_loop), 200001 + OVERHEAD);
}

static void acknowledge(void)
{
    wrmsr(STATUS_CLR, rdmsr(GLOBAL_STATUS));
}

static const struct socket_counter uncore[] = {{0xc0010230, 0xc0010231},
                                               {0xc001023a, 0xc001023b},
                                               {0xc0010240, 0xc0010241},
                                               {0xc0010246, 0xc0010247}};

void amd_probes(void)
{
    enumeration();
    exact_counts();
    events();
    registers();
    rdpmc_indices();
    interrupts();
    privilege();
    cores_probe(count_here);
    all_off();
    struct counted_switch how = {PERF_CTL, SELECT_ALL | SELECT_INT | INSTRUCTIONS, 0};
    pmi_probe("pmi", PERF_CTR, &how, acknowledge, false);
    all_off();
    wrmsr(PERF_CTL, SELECT_ALL | CYCLES);
    wrmsr(PERF_CTL + 2, SELECT_ALL | 0x100000120ULL);
    halt_probe(PERF_CTR, PERF_CTR + 2);
    all_off();
    socket_probe(uncore, sizeof uncore / sizeof uncore[0]);
    expect_equal("RDPMC of the data fabric's fourth", rdpmc(9), rdmsr(0xc0010247));
    expect_equal("RDPMC of the L3's sixth", rdpmc(15), rdmsr(0xc001023b));
    energy_probe(0xc0010299, 0xc001029b);
}
