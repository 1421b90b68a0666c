/* again.efi [\PATH]: starts Cede a second time, as a guest of the first, which must refuse. Bare it
 * would become the guest of the first: there the probe only says so. */
#include "cede.h"
#include "chain.h"
#include "machine.h"
#include "report.h"

static bool here;

static void look(u64 unused)
{
    (void)unused;
    here = under_cede();
}

static void again(u64 unused)
{
    (void)unused;
    core_borrow(look, 0);
    if (here) {
        chain_expect_refusal();
    } else {
        say("info: Cede is not here: nothing to start again");
    }
    firmware_probe();
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, again);
}
