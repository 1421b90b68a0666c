/* exact.efi: what a guest counts is what a bare machine counts. Some sixty workloads, each counted
 * for instructions, branches and cycles, at CPL 3 and at CPL 0:
 *
 *     test: exact: NAME instructions U/K branches U/K cycles U/K saw X
 *
 * Two runs say the same where counts are exact: tests.list compares bare and Cede. Load options
 * that are names of workloads run only those.
 *
 * With load option `measure` it judges nothing, for processors on which counts vary, or that have
 * no counters: each count several times, as `measure:` lines. */
#include "apic.h"
#include "cede.h"
#include "exact/exact.h"
#include "machine.h"
#include "report.h"
#include "smp.h"

enum { PATIENCE_MS = 600000 };

static const struct workloads *const all[] = {
    &plain_workloads,     &trap_workloads, &exit_workloads,
    &interrupt_workloads, &user_workloads, &sampling_workloads,
};

static bool only_measure;

static bool chosen(const char *name)
{
    return only_measure || !machine.options[0] || option_word(name);
}

static void measure_all(u64 unused)
{
    (void)unused;
    for (u32 group = 0; group < COUNT(all); group++) {
        for (u32 i = 0; i < all[group]->count; i++) {
            if (chosen(all[group]->list[i].name)) {
                (only_measure ? repeat : measure)(&all[group]->list[i]);
            }
        }
    }
}

static void enter_x2apic(u64 unused)
{
    (void)unused;
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_EXTD);
    apic_enable();
}

/* On the first core and on another; where there is one, in x2APIC mode too. */
static void everywhere(void)
{
    struct core *other = cores[core_count - 1];
    measure_all(0);
    if (core_count > 1) {
        test_section("other-core-");
        expect(core_run(other, measure_all, 0, PATIENCE_MS), "it does not finish");
    }
    if ((cpuid(1, 0).ecx & BIT(21)) && !apic_is_x2()) {
        test_section("x2apic-");
        core_run_all(enter_x2apic, 0, PATIENCE_MS);
        measure_all(0);
    }
}

static void measured_probe(void)
{
    exact_pmu = perfmon_here() ? perfmon_any() : NULL;
    say("info: counters with a global control: %s", exact_pmu ? "yes" : "none, nothing is counted");
    test_begin("exact-measured");
    if (exact_pmu) {
        measure_all(0);
    }
    test_end();
}

static void exact(u64 unused)
{
    (void)unused;
    machine_leave_firmware();
    only_measure = option_word("measure");
    if (only_measure) {
        measured_probe();
        finish();
    }
    exact_pmu = perfmon_here();
    say("info: %u cores, Cede %s", core_count, under_cede() ? "is here" : "is not here");
    test_begin("counters");
    expect(exact_pmu, "none with a global control");
    expect(start_all(), "a core does not start");
    if (test_end()) {
        everywhere();
    }
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, exact);
}
