/* model.efi: the PMU model against its rules (docs/pmu-model.md), on a bare emulated machine of
 * either vendor. */
#include "machine.h"
#include "probe.h"

static void model(u64 unused)
{
    (void)unused;
    machine_leave_firmware();
    bool amd = cpuid(0, 0).ecx == 0x444d4163;
    say("info: %s", amd ? "AMD" : "Intel");
    if (amd) {
        amd_probes();
        amd_svm_probes();
    } else {
        intel_probes();
        intel_vmx_probes();
    }
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, model);
}
