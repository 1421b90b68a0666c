/* measure.efi: what things take on this machine, and what they count. Bare and under Cede, for
 * tools/report to compare. Load options: turns=N, of each loop (1000); since=N, the TSC when the
 * self-test's conductor began with this step. */
#include "measure/measure.h"
#include "cede.h"
#include "clock.h"
#include "cpu.h"
#include "machine.h"
#include "report.h"
#include "samples.h"

/* It happens once per boot: all samples are the same, and several reports tell the noise. */
static void start_measure(u64 now)
{
    static const struct measured time = {"start", "until-test", NULL, "us"};
    u64 since = option_number("since", 0);
    int64_t values[SAMPLES];
    for (u32 i = 0; i < SAMPLES; i++) {
        values[i] = (int64_t)(now - since);
    }
    if (since) {
        samples_say(&time, values, clock_ticks_per_us());
    }
}

static void measure(u64 unused)
{
    u64 now = rdtsc();
    (void)unused;
    memory_prepare();
    machine_leave_firmware();
    const struct perfmon *p = perfmon_any();
    say("info: Cede %s, %lu ticks per us, counters: %s", under_cede() ? "is here" : "is not here",
        clock_ticks_per_us(), p ? "yes" : "none that can be used, only times are measured");
    start_measure(now);
    memory_measures();
    operation_measures(p);
    if (p) {
        skid_measures(p);
    }
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, measure);
}
