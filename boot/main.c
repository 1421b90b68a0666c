/* cede.efi: becomes a hypervisor under the running firmware, then starts what is next as its guest.
 */
#include "report/banner.h"
#include "report/check.h"
#include "report/kept_report.h"
#include "machine/console.h"
#include "machine/cpu_ops.h"
#include "guests/guests.h"
#include "guests/management.h"
#include "next/next.h"
#include "conf/options.h"
#include "guests/partition.h"
#include "place/place.h"
#include "uefi/presence.h"
#include "uefi/refuse.h"
#include "machine/tsc.h"

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

static EFI_GUID shell_parameters_guid = {
    0x752f3136, 0x4e16, 0x4fdc, {0xa2, 0x2a, 0xe5, 0xf4, 0x68, 0x12, 0xf4, 0xca}};

static struct options options;
static struct conf conf;
static struct acpi acpi;
static struct memory memory;
static struct mp mp;
static struct plan plan;
static struct place place;

static bool judge(bool good, const char *why)
{
    if (!good)
        refuse("%s", why);
    return good;
}

/* Somebody who means --check gets no hypervisor for a typing error. */
static bool options_known(void)
{
    if (options.unknown[0])
        refuse(OPTIONS_UNKNOWN, options.unknown);
    return !options.unknown[0];
}

static bool not_yet_here(void)
{
    return judge(!presence_find(), "Cede runs this machine already; start the next program itself");
}

static bool boot_cpu_fits(void)
{
    enum preflight verdict = preflight(&real_cpu);

    return judge(verdict == PREFLIGHT_OK, preflight_text(verdict));
}

static bool survey_memory(void)
{
    return judge(!EFI_ERROR(memory_survey(&memory)), "the firmware gives no memory map");
}

static bool load_partitions(EFI_HANDLE image)
{
    return plan.guest_count == 1 ||
           partitions_load(image, &conf, &plan, tsc_khz_exactly(acpi.fadt.pm_timer));
}

static bool choose_management(void)
{
    struct boot_uart uart = console_choose(&conf, &acpi.uart);

    return management_choose(&conf, &plan, &uart);
}

static void release(void)
{
    guests_free(&plan);
    mp_free(&mp);
    acpi_free(&acpi);
}

/* Each step leaves the firmware as it found it when it fails, having said why. */
static bool prepare(EFI_HANDLE image)
{
    return options_known() && conf_load(image, &conf) && /* first, as the operator's to mend */
           not_yet_here() &&      /* before the preflight, which a guest would not pass */
           boot_cpu_fits() &&     /* before anything that takes time */
           acpi_gather(&acpi) &&  /* before mp_list(): the MADT knows all processors */
           survey_memory() &&     /* before the region: page tables grow with memory */
           mp_list(&mp, &acpi) && /* likewise, a stack for each processor */
           mp_check(&mp) &&       /* every processor, before the first one is taken */
           guests_plan(&conf, &mp, &memory, &plan) && choose_management() &&
           load_partitions(image) &&   /* before the region: they need the large pieces */
           place_open_image(&place) && /* before the region, which it is a part of */
           place_all(&place, &plan, &memory, &acpi, &conf) &&
           place_prepare(&place); /* last: nothing may be freed once a processor is in */
}

/* Application processors first: the firmware must still be able to run them, and once the boot
 * processor is a guest, MP Services would wake them through trapped INITs. */
static bool capture(void)
{
    struct capture how = {&mp, place.info, place.entry, place.cr3};
    u32 captured = mp_capture_aps(&how);
    u64 status = mp_capture_bsp(&how);

    if (status == HV_OK)
        return true;
    refuse("the boot processor cannot be captured: %s", hv_status_text(status));
    if (!captured) {
        place_undo(&place);
        partitions_undo(&plan);
    } else
        say("cede: %u other processors are captured already: restart the machine\n", captured);
    return false;
}

/* The UEFI shell gives its programs that protocol (UEFI Shell 2.2, 2.3.1), and the command line. */
static void read_options(EFI_HANDLE image)
{
    EFI_LOADED_IMAGE *self = protocol(image, &loaded_image_guid);

    options_read(self->LoadOptions, self->LoadOptionsSize, protocol(image, &shell_parameters_guid),
                 &options);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    struct boot_uart uart;
    EFI_STATUS status;

    uefi_init(table);
    read_options(image);
    if (options.check)
        return check_report(image, &options);
    if (!prepare(image)) {
        partitions_undo(&plan);
        release();
        return EFI_UNSUPPORTED;
    }
    if (!capture()) {
        release();
        return EFI_UNSUPPORTED;
    }
    uart = place.info->uart;
    place_finish(&place); /* the region is out of reach, the rest is the guest's again */
    presence_announce();  /* as a guest: nothing below needs more than boot services */
    acpi_hide_suspend();  /* only now: a refusal leaves the tables alone */
    management_arrange(&conf, &plan);
    banner(&options, &conf, &mp, &uart, place.keeps);
    kept_mention(place.last);
    guests_report(&plan);
    release();
    status = next_start(image, &conf, true);
    management_undo();
    return status;
}
