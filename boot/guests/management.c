#include "guests/management.h"

#include "machine/acpi.h"
#include "machine/console.h"
#include "machine/cpu_ops.h"
#include "hypercall.h"
#include "uefi/refuse.h"
#include "uefi/uefi.h"

#define ENOUGH_CORES 32 /* one of them is at most 3 % of the machine */

static EFI_EXIT_BOOT_SERVICES firmwares_exit;

static bool can_be_kept(const struct plan *plan, u32 index)
{
    return index < plan->count && index != plan->bsp && plan->cpus[index].firmware &&
           !plan->cpus[index].guest;
}

/* The last one of the firmware's guest, if that is not the boot processor. */
static u32 automatic(const struct plan *plan)
{
    u32 index = plan->count - 1;

    while (index && plan->cpus[index].guest)
        index--;
    return plan->count >= ENOUGH_CORES && can_be_kept(plan, index) ? index : NO_MANAGEMENT;
}

bool management_choose(struct conf *conf, const struct plan *plan, const struct boot_uart *uart)
{
    struct boot_console *wire = &conf->wire;
    bool interactive = console_wire(conf, uart).mode >= WIRE_SHARED;

    if (wire->management == AUTO_MANAGEMENT)
        wire->management = interactive ? automatic(plan) : NO_MANAGEMENT;
    if (wire->management == NO_MANAGEMENT)
        return true;
    if (!can_be_kept(plan, wire->management))
        refuse("management = %u: use a core from 0 to %u that the firmware can start, and not "
               "the boot processor, %u",
               wire->management, plan->count - 1, plan->bsp);
    else if (!interactive)
        refuse("management = %u: there is no console for it: set console and console-mode",
               wire->management);
    else
        return true;
    return false;
}

/* All processors wait for the OS now. */
static EFI_STATUS EFIAPI exit_boot_services(EFI_HANDLE image, UINTN key)
{
    EFI_STATUS status = firmwares_exit(image, key);

    if (!EFI_ERROR(status))
        hypercall(HYPERCALL_RELEASED, 0, 0);
    return status;
}

/* The table's checksum covers its pointers (UEFI 4.2). */
static void set_exit(EFI_EXIT_BOOT_SERVICES function)
{
    BS->ExitBootServices = function;
    BS->Hdr.CRC32 = 0;
    BS->CalculateCrc32(&BS->Hdr, BS->Hdr.HeaderSize, &BS->Hdr.CRC32);
}

void management_arrange(const struct conf *conf, const struct plan *plan)
{
    for (u32 i = 0; i < plan->count; i++)
        if (plan->cpus[i].guest || i == conf->wire.management)
            acpi_hide_cpu(plan->cpus[i].apic_id);
    firmwares_exit = BS->ExitBootServices;
    set_exit(exit_boot_services);
}

void management_undo(void)
{
    if (firmwares_exit && BS->ExitBootServices == exit_boot_services)
        set_exit(firmwares_exit);
}
