/* mute.efi: a core that does not come up. The last one is asked for under an APIC ID that nobody
 * has, bare and under Cede: no emulator has a core that is listed and dead. The start must be given
 * up, and named, for the self-test (tools/test-stick). */
#include "core.h"
#include "machine.h"
#include "report.h"
#include "smp.h"

enum { NOBODY = 0xee }; /* fits either APIC mode */

static void mute(u64 unused)
{
    (void)unused;
    machine_leave_firmware();
    test_begin("start-cores");
    expect(core_count > 1, "needs two cores");
    cores[core_count - 1]->apic_id = NOBODY;
    start_all();
    test_end();
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, mute);
}
