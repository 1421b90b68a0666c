/* basic.efi: what a guest's processor looks like, bare and under Cede: CPUID, MSRs, exceptions,
 * ports, hypercall, hidden memory. First with firmware still up, then on all cores after
 * ExitBootServices. */
#include "basic/basic.h"
#include "cede.h"
#include "machine.h"
#include "report.h"
#include "smp.h"

static void with_firmware(u64 unused)
{
    (void)unused;
    find_selectors();
    say("info: %u cores, Cede %s", core_count, under_cede() ? "is here" : "is not here");
    cpuid_probes();
    virtualization_probes();
    efer_probes();
    exception_probes();
    single_step_probes();
    hypercall_probes();
    port_probes();
}

static void basic(u64 unused)
{
    (void)unused;
    test_section("early-");
    core_borrow(with_firmware, 0);
    machine_leave_firmware();
    test_section("");
    test_begin("start-cores");
    bool started = start_all();
    test_end();
    if (started) {
        cpuid_probes();
        virtualization_probes();
        efer_probes();
        msr_sweep();
        exception_probes();
        single_step_probes();
        hypercall_probes();
        port_probes();
        hidden_memory_probes();
    }
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, basic);
}
