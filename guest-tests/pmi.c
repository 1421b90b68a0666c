/* pmi.efi: no PMI and no NMI is lost, doubled or out of place, wherever it strikes. Load
 * options: skid=N as the bed's --skid, nmis=N. */
#include "cede.h"
#include "machine.h"
#include "pmi/pmi.h"
#include "report.h"
#include "smp.h"

static void pmi(u64 unused)
{
    (void)unused;
    machine_leave_firmware();
    const struct perfmon *p = perfmon_here();
    say("info: %u cores, Cede %s", core_count, under_cede() ? "is here" : "is not here");
    test_begin("counters");
    expect(p, "none with a global control");
    expect(start_all(), "a core does not start");
    if (test_end()) {
        sweep_probes(p);
    }
    if (core_count > 1) {
        storm_probes();
    }
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, pmi);
}
