/* menu.efi: what a person does at the firmware's menu. It is what the machine starts by itself, and
 * tells the firmware to start the boot option behind it in the order, once, by a warm reset. So a
 * stick that is not first in the order is started (tools/test-stick). */
#include "boot_next.h"
#include "machine.h"
#include "report.h"
#include "restart.h"

enum { MOST = 32 };

static EFI_GUID global_guid = {
    0x8be4df61, 0x93ca, 0x11d2, {0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c}};

/* How many numbers of boot options the variable has. */
static u32 boot_options(CHAR16 *name, u16 options[MOST])
{
    UINTN size = MOST * sizeof options[0];
    EFI_STATUS status =
        machine.firmware->RuntimeServices->GetVariable(name, &global_guid, NULL, &size, options);

    return EFI_ERROR(status) ? 0 : (u32)(size / sizeof options[0]);
}

static void menu(u64 unused)
{
    u16 current[MOST], order[MOST];
    u32 count = boot_options(L"BootOrder", order), at = 0;

    (void)unused;
    test_begin("a-boot-option-behind-this-one");
    expect(boot_options(L"BootCurrent", current) == 1, "no BootCurrent");
    while (at < count && order[at] != current[0])
        at++;
    expect(at + 1 < count, "%u options, this is number %u", count, at);
    if (!test_end())
        finish();
    set_variable(L"BootNext", &global_guid, &order[at + 1], sizeof order[0]);
    say("info: boot option %u starts boot option %u", current[0], order[at + 1]);
    restart(machine.firmware->RuntimeServices);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, menu);
}
