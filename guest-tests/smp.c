/* smp.efi: everything between cores: INIT and SIPI, interrupts and NMIs counted exactly, the local
 * APIC in its modes, and writes to its page from every processor mode and in every form. After
 * ExitBootServices. */
#include "cede.h"
#include "machine.h"
#include "report.h"
#include "smp.h"
#include "smp/smp_probes.h"

static const struct {
    const char *name;
    void (*run)(void);
} parts[] = {
    {"start", start_probes}, {"ipi", ipi_probes},       {"nmi", nmi_probes},
    {"apic", apic_probes},   {"decode", decode_probes}, {"x2apic", x2apic_probes},
};

/* Load options that name parts run only those. */
static bool chosen(const char *name)
{
    bool any = false;
    for (u32 i = 0; i < COUNT(parts); i++) {
        any |= option_word(parts[i].name);
    }
    return !any || option_word(name);
}

static void smp(u64 unused)
{
    (void)unused;
    machine_leave_firmware();
    say("info: %u cores, Cede %s", core_count, under_cede() ? "is here" : "is not here");
    test_begin("start-cores");
    bool started = start_all();
    test_end();
    for (u32 i = 0; started && i < COUNT(parts); i++) {
        if (chosen(parts[i].name)) {
            parts[i].run();
        }
    }
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, smp);
}
