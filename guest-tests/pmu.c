/* pmu.efi: event selectors through all their names, and what exits: every class of operation causes
 * exactly as many exits as it must, most none. Bare, the operations just have to work. */
#include "cede.h"
#include "machine.h"
#include "report.h"
#include "smp.h"
#include "pmu/pmu_probes.h"

static void pmu(u64 unused)
{
    (void)unused;
    machine_leave_firmware();
    say("info: %u cores, Cede %s", core_count, under_cede() ? "is here" : "is not here");
    test_begin("start-cores");
    bool started = start_all();
    test_end();
    if (started) {
        selector_probes();
        account_probes();
    }
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, pmu);
}
