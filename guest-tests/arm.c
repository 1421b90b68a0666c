/* arm.efi: has bed P tell how many instructions the machine has executed (docs/pmu-model.md, port
 * 0xf5), and then starts the program that the load options name, with the words behind it. That
 * program asks for the second figure. */
#include "chain.h"
#include "cpu.h"
#include "machine.h"
#include "report.h"

enum { TALLY_PORT = 0xf5 };

static void arm(u64 unused)
{
    EFI_STATUS status;
    (void)unused;
    outb(TALLY_PORT, 0);
    chain(&status);
    finish_with(1);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, arm);
}
