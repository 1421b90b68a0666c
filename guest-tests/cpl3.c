/* cpl3.efi: what CPL 3 can cause. Every instruction that a hypervisor may intercept, executed by
 * user code, must come out as on the bare machine, and change nothing that is the kernel's; with
 * and without the permissions that a kernel can give, single-stepped, and at breakpoints. */
#include "cpl3/cpl3.h"
#include "cede.h"
#include "machine.h"
#include "report.h"

static void cpl3(u64 unused)
{
    (void)unused;
    machine_leave_firmware();
    say("info: Cede %s", under_cede() ? "is here" : "is not here");
    privileged_probes();
    virtualization_probes();
    permitted_probes();
    port_probes();
    step_probes();
    memory_probes();
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, cpl3);
}
