/* How far behind the instruction that overflows a counter its PMI strikes, in instructions: among
 * ones that do nothing, and among CPUIDs, each of which exits under Cede. */
#include "apic.h"
#include "clock.h"
#include "core.h"
#include "fault.h"
#include "measure.h"
#include "report.h"
#include "samples.h"

enum { LVT_NMI = 4 << 8, AT = 100, PATIENCE_MS = 100 };

/* skid_rows.S: writes the MSR, which starts a counter, and then come the row's instructions. */
void skid_nops(u32 msr, u64 on), skid_cpuids(u32 msr, u64 on);
extern const char skid_nops_start[], skid_nops_end[], skid_cpuids_start[], skid_cpuids_end[];

static const struct row {
    const char *name;
    void (*run)(u32 msr, u64 on);
    const char *start, *end;
    u32 bytes; /* of an instruction */
} rows[] = {
    {"nops", skid_nops, skid_nops_start, skid_nops_end, 1},
    {"cpuids", skid_cpuids, skid_cpuids_start, skid_cpuids_end, 2},
};

static const struct perfmon *pmu;
static volatile u32 hits;
static volatile u64 rip;

static void on_pmi(struct frame *frame)
{
    hits++;
    rip = frame->rip;
    perfmon_acknowledge(pmu, LVT_NMI);
}

/* Behind the row it is as many as are left of it, or more. */
static int64_t distance(const struct row *row)
{
    u64 end = (u64)row->end, start = (u64)row->start, at = rip > start && rip < end ? rip : end;
    return (int64_t)(at - start) / row->bytes - AT;
}

static int64_t skid(const struct row *row)
{
    u64 end = deadline(PATIENCE_MS);
    hits = 0;
    perfmon_reset(pmu);
    wrmsr(pmu->counter, perfmon_before(AT));
    if (pmu->global_ctrl) {
        wrmsr(pmu->global_ctrl, perfmon_all(pmu));
    }
    row->run(pmu->selector, pmu->event[INSTRUCTIONS] | SELECT_OS | SELECT_INT | SELECT_EN);
    while (!hits && !past(end)) {
        pause();
    }
    wrmsr(pmu->selector, 0);
    expect(hits == 1, "%s: %u PMIs for one overflow", row->name, hits);
    return distance(row);
}

static void measure(const struct row *row)
{
    const struct measured m = {"skid", row->name, NULL, "instructions"};
    int64_t values[SAMPLES];
    for (u32 i = 0; i < SAMPLES; i++) {
        values[i] = skid(row);
    }
    if (probe_good()) {
        samples_say(&m, values, 1);
    }
}

void skid_measures(const struct perfmon *p)
{
    struct core *core = this_core();
    pmu = p;
    core->handler[VECTOR_NMI] = on_pmi;
    apic_write(APIC_LVT_PMC, LVT_NMI);
    test_begin("measure-skid");
    for (u32 i = 0; i < COUNT(rows); i++) {
        measure(&rows[i]);
    }
    test_end();
    apic_write(APIC_LVT_PMC, APIC_LVT_MASK | LVT_NMI);
    perfmon_reset(p);
    core->handler[VECTOR_NMI] = NULL;
}
