#include "report/check.h"

#include "report/banner.h"
#include "report/kept_report.h"
#include "machine/console.h"
#include "machine/cpu_ops.h"
#include "guests/grants.h"
#include "guests/guests.h"
#include "next/next.h"
#include "guests/partition.h"
#include "place/keep.h"
#include "place/place.h"
#include "machine/pmu_text.h"
#include "uefi/presence.h"
#include "uefi/version.h"
#include "uefi/refuse.h"
#include "uefi/text.h"

static const char *yes_no(bool value)
{
    return value ? "yes" : "no";
}

static void report_firmware(void)
{
    u8 secure = 0, setup = 0;

    global_variable(L"SecureBoot", &secure, 1);
    global_variable(L"SetupMode", &setup, 1);
    say("cede: firmware: %ls %08x, UEFI %u.%u\n", ST->FirmwareVendor, ST->FirmwareRevision,
        ST->Hdr.Revision >> 16, (ST->Hdr.Revision & 0xffff) / 10);
    say("cede: secure boot: %s%s\n", secure ? "on" : "off", setup ? ", setup mode" : "");
}

static void report_conf(const struct conf *conf, const struct acpi *acpi)
{
    struct boot_uart uart = console_choose(conf, &acpi->uart);
    char text[48], list[24];

    say("cede: console: %s\n", console_text(conf, &uart, text));
    say("cede: trace: %s\n", conf->trace ? "on" : "off");
    say("cede: policy: %s, list %s, hypervisor-bit %s, unknown-msr %s\n",
        pmu_mode_text(conf->policy.pmu), conf_list_text(conf, list),
        conf->policy.hypervisor_bit ? "on" : "off", conf->policy.unknown_msr_gp ? "gp" : "pass");
}

static void report_differences(const struct mp_cpu *cpu, const struct mp_cpu *bsp)
{
    /* The BSP flag, bit 8, is the one difference that must be. */
    if (cpu->checked && ((cpu->apic_base ^ bsp->apic_base) & ~BIT(8)))
        say("cede:   apic_base %lx differs\n", cpu->apic_base);
    if (cpu->checked && cpu->efer != bsp->efer)
        say("cede:   efer %lx differs\n", cpu->efer);
    if (cpu->checked && cpu->pat != bsp->pat)
        say("cede:   pat %lx differs\n", cpu->pat);
    if (cpu->checked && cpu->vm_control != bsp->vm_control)
        say("cede:   vm_cr or feature_control %lx differs\n", cpu->vm_control);
    if (cpu->checked && cpu->cr4 != bsp->cr4)
        say("cede:   cr4 %lx differs\n", cpu->cr4);
}

static void report_cpus(const struct mp *mp)
{
    const struct mp_cpu *bsp = &mp->cpus[mp->bsp];

    say("cede: processors: %u; MP Services: %s\n", mp->count, yes_no(mp->services));
    for (u32 i = 0; i < mp->count; i++) {
        const struct mp_cpu *cpu = &mp->cpus[i];
        say("cede: core %u: APIC ID 0x%x, %sMADT %s, firmware %s, %s\n", i, cpu->apic_id,
            cpu == bsp ? "boot processor, " : "", yes_no(cpu->listed), yes_no(cpu->firmware),
            !cpu->firmware                 ? "policed"
            : !cpu->checked                ? "not asked"
            : cpu->verdict == PREFLIGHT_OK ? "can be captured"
                                           : "cannot be captured");
        report_differences(cpu, bsp);
    }
}

static void report_acpi(const struct acpi *acpi)
{
    const struct fadt *fadt = &acpi->fadt;
    const struct boot_sleep *sleep = &acpi->sleep;

    if (!acpi->present) {
        say("cede: acpi: none\n");
        return;
    }
    say("cede: acpi: MADT lists %u processors\n", acpi->cpu_count);
    say("cede: acpi: PM1a_CNT 0x%x, PM1b_CNT 0x%x%s%s\n", sleep->pm1a_cnt, sleep->pm1b_cnt,
        fadt->pm1_memory ? ", in memory: not trapped" : "", fadt->hw_reduced ? ", reduced" : "");
    if (fadt->reset.space == 0xff)
        say("cede: acpi: no reset register\n");
    else
        say("cede: acpi: reset register: space %u, 0x%lx = 0x%x\n", fadt->reset.space,
            fadt->reset.address, fadt->reset.value);
    if (sleep->s5_known)
        say("cede: acpi: S5 types %u and %u\n", sleep->s5_typ_a, sleep->s5_typ_b);
    else
        say("cede: acpi: S5 not readable\n");
    if (sleep->s4_typ_a != 0xff)
        say("cede: acpi: S4 types %u and %u\n", sleep->s4_typ_a, sleep->s4_typ_b);
    say("cede: acpi: S3 %s, S0ix %s\n", sleep->s3_typ != 0xff ? "offered, will be hidden" : "no",
        fadt->low_power_s0 ? "offered, will be hidden" : "no");
}

static void report_memory(const struct memory *memory)
{
    static const char *const names[EfiMaxMemoryType] = {
        "reserved",     "loader code",  "loader data", "boot code", "boot data",
        "runtime code", "runtime data", "free",        "unusable",  "ACPI tables",
        "ACPI NVS",     "MMIO",         "MMIO ports",  "PAL code"};

    for (unsigned i = 0; i < EfiMaxMemoryType; i++)
        if (memory->of_type[i])
            say("cede: memory: %-12s %12lu KiB\n", names[i], memory->of_type[i] / 1024);
    say("cede: memory: %u ranges, end 0x%lx, PCI windows end 0x%lx\n", memory->ranges,
        memory->ram_top, memory->bridge_top);
    say("cede: memory: Cede maps up to 0x%lx, 1 GiB pages %s\n", memory->map_top,
        yes_no(memory->gib_pages));
}

static void judge_image(const struct plan *plan, const struct memory *memory)
{
    static struct place place;

    if (!place_open_image(&place))
        return;
    say("cede: image: %lu KiB; region: %lu KiB of memory\n", place.elf.image_size / 1024,
        place_region_size(&place, plan, memory) / 1024);
    place_would_fit(&place, plan, memory);
}

/* Under Cede the processors are guests, and look as if they could not be captured. */
static void judge_cpus(struct mp *mp)
{
    if (presence_find())
        refuse("Cede runs this machine already");
    else
        mp_check(mp);
}

static void judge_guests(EFI_HANDLE image, const struct conf *conf, const struct mp *mp,
                         const struct memory *memory)
{
    static struct plan plan;

    if (guests_plan(conf, mp, memory, &plan))
        guests_report(&plan);
    grants_report(&plan);
    partitions_check(image, conf);
    judge_image(&plan, memory);
    guests_free(&plan);
}

static void judge_machine(EFI_HANDLE image, const struct conf *conf)
{
    static struct acpi acpi;
    static struct memory memory;
    static struct mp mp;

    if (EFI_ERROR(memory_survey(&memory)))
        refuse("the firmware gives no memory map");
    if (!acpi_gather(&acpi) || !mp_list(&mp, &acpi))
        return;
    judge_cpus(&mp);
    report_cpus(&mp);
    report_acpi(&acpi);
    report_memory(&memory);
    report_conf(conf, &acpi);
    judge_guests(image, conf, &mp, &memory);
    mp_free(&mp);
    acpi_free(&acpi);
}

EFI_STATUS check_report(EFI_HANDLE image, const struct options *options)
{
    static struct conf conf;

    refuse_for_check();
    say("cede: check, version %s; nothing is changed\n", version_text());
    if (options->unknown[0])
        refuse(OPTIONS_UNKNOWN, options->unknown);
    report_firmware();
    check_cpu_report();
    bool conf_good = conf_load(image, &conf);
    if (!conf_good)
        conf.guest_count = 0;
    judge_machine(image, &conf);
    if (conf_good)
        next_report(image, &conf);
    kept_report(keep_last());
    say("cede: verdict: Cede %s here\n", refusals() ? "would refuse to start" : "can start");
    return refusals() ? EFI_UNSUPPORTED : EFI_SUCCESS;
}
