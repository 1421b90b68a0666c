#include "machine/mp.h"

#include "machine/cpu_ops.h"
#include "uefi/refuse.h"
#include "machine/switch.h"

#define TIMEOUT_US 10000000

#define IA32_APIC_BASE       0x1b
#define IA32_PAT             0x277
#define IA32_EFER            0xc0000080
#define MSR_VM_CR            0xc0010114
#define IA32_FEATURE_CONTROL 0x3a

static EFI_GUID mp_services_guid = EFI_MP_SERVICES_PROTOCOL_GUID;

static struct mp_cpu *find_cpu(const struct mp *mp, u32 apic_id)
{
    for (u32 i = 0; i < mp->count; i++)
        if (mp->cpus[i].apic_id == apic_id)
            return &mp->cpus[i];
    return NULL;
}

static struct mp_cpu *add_cpu(struct mp *mp, u32 apic_id)
{
    struct mp_cpu *cpu = find_cpu(mp, apic_id);

    if (!cpu) {
        cpu = &mp->cpus[mp->count++];
        cpu->apic_id = apic_id;
    }
    return cpu;
}

static void add_firmware_cpu(struct mp *mp, UINTN number)
{
    EFI_PROCESSOR_INFORMATION info = {0};
    const u32 good = PROCESSOR_ENABLED | PROCESSOR_HEALTHY;

    if (EFI_ERROR(mp->services->GetProcessorInfo(mp->services, number, &info)))
        return;
    struct mp_cpu *cpu = add_cpu(mp, (u32)info.ProcessorId);
    cpu->number = number;
    cpu->firmware = (info.StatusFlag & good) == good;
    if (cpu->firmware && !(info.StatusFlag & PROCESSOR_AS_BSP))
        mp->aps++;
}

bool mp_list(struct mp *mp, const struct acpi *acpi)
{
    UINTN count = 0, enabled;

    *mp = (struct mp){.unlisted = ~0U};
    BS->LocateProtocol(&mp_services_guid, NULL, (void **)&mp->services);
    if (mp->services &&
        EFI_ERROR(mp->services->GetNumberOfProcessors(mp->services, &count, &enabled)))
        mp->services = NULL;
    mp->cpus = pool_alloc((acpi->cpu_count + count + 1) * sizeof mp->cpus[0]);
    if (!mp->cpus) {
        refuse("no memory for the processor list");
        return false;
    }
    for (u32 i = 0; i < acpi->cpu_count; i++)
        add_cpu(mp, acpi->apic_ids[i])->listed = true;
    for (UINTN i = 0; mp->services && i < count; i++)
        add_firmware_cpu(mp, i);

    struct mp_cpu *self = add_cpu(mp, own_apic_id());
    self->firmware = true;
    mp->bsp = (u32)(self - mp->cpus);
    return true;
}

void mp_free(struct mp *mp)
{
    pool_free(mp->cpus);
    mp->cpus = NULL;
}

static void check_cpu(struct mp_cpu *cpu)
{
    cpu->verdict = preflight(&real_cpu);
    if (cpu->verdict == PREFLIGHT_OK)
        preflight_traits(&real_cpu, &cpu->traits);
    cpu->shadow_stack = has_shadow_stack();
    cpu->apic_base = real_cpu.rdmsr(IA32_APIC_BASE);
    cpu->efer = real_cpu.rdmsr(IA32_EFER);
    cpu->pat = real_cpu.rdmsr(IA32_PAT);
    cpu->cr4 = read_cr4();
    if (cpuid_value(0x80000001, 0, CPUID_ECX) & BIT(2))
        cpu->vm_control = real_cpu.rdmsr(MSR_VM_CR);
    else if (cpuid_value(1, 0, CPUID_ECX) & BIT(5))
        cpu->vm_control = real_cpu.rdmsr(IA32_FEATURE_CONTROL);
    cpu->checked = true;
}

/* On an application processor: the firmware's stack, its page tables, no boot services. */
static void EFIAPI check_here(void *argument)
{
    struct mp *mp = argument;
    struct mp_cpu *cpu = find_cpu(mp, own_apic_id());

    if (cpu)
        check_cpu(cpu);
    else
        mp->unlisted = own_apic_id();
}

static bool passes(const struct mp_cpu *cpu)
{
    return cpu->checked && cpu->verdict == PREFLIGHT_OK && !cpu->shadow_stack;
}

static const struct preflight_traits *boot_traits(const struct mp *mp)
{
    return &mp->cpus[mp->bsp].traits;
}

static bool is_good(const struct mp *mp, const struct mp_cpu *cpu)
{
    return !cpu->firmware ||
           (passes(cpu) && (!passes(&mp->cpus[mp->bsp]) ||
                            preflight_differ(&cpu->traits, boot_traits(mp)) == TRAITS));
}

static const char *reason(const struct mp_cpu *cpu)
{
    if (!cpu->checked)
        return "it does not answer; restart the machine";
    if (cpu->shadow_stack)
        return "its firmware runs on shadow stacks (CET); turn them off in the firmware setup";
    return preflight_text(cpu->verdict);
}

static void explain_difference(const struct mp *mp, const struct mp_cpu *cpu)
{
    enum preflight_trait trait = preflight_differ(&cpu->traits, boot_traits(mp));

    refuse("the processor with APIC ID 0x%x cannot be captured: its %s are not the boot "
           "processor's (0x%lx, there 0x%lx): bring all to one microcode, or disable it in the "
           "firmware setup",
           cpu->apic_id, preflight_trait_text(trait), cpu->traits.of[trait],
           boot_traits(mp)->of[trait]);
}

static void explain(const struct mp *mp)
{
    for (u32 i = 0; i < mp->count; i++) {
        const struct mp_cpu *cpu = &mp->cpus[i];

        if (is_good(mp, cpu))
            continue;
        if (passes(cpu))
            explain_difference(mp, cpu);
        else
            refuse("the processor with APIC ID 0x%x cannot be captured: %s", cpu->apic_id,
                   reason(cpu));
    }
    if (mp->unlisted != ~0U)
        refuse("the processor with APIC ID 0x%x is in no list of the firmware", mp->unlisted);
}

bool mp_check(struct mp *mp)
{
    bool good = true;

    check_cpu(&mp->cpus[mp->bsp]);
    /* Not ready: at least one is busy, and none was asked. Asking one by one would name it, but EDK
     * II's StartupThisAP takes a busy processor away from its work. */
    if (mp->aps && mp->services->StartupAllAPs(mp->services, check_here, FALSE, NULL, TIMEOUT_US,
                                               mp, NULL) == EFI_NOT_READY) {
        refuse("one of the processors other than APIC ID 0x%x is busy with work of the firmware "
               "and cannot "
               "be captured: restart the machine, and start Cede before other programs",
               mp->cpus[mp->bsp].apic_id);
        return false;
    }
    for (u32 i = 0; i < mp->count; i++)
        good = good && is_good(mp, &mp->cpus[i]);
    good = good && mp->unlisted == ~0U;
    if (!good)
        explain(mp);
    return good;
}

static void capture_cpu(const struct capture *capture, struct mp_cpu *cpu)
{
    u64 index = (u64)(cpu - capture->mp->cpus);

    cpu->status = hv_call(capture->entry, capture->cr3, capture->info, HV_START, index);
    cpu->started = true;
}

/* As check_here(); returns to the firmware as a guest. */
static void EFIAPI capture_here(void *argument)
{
    struct capture *capture = argument;
    struct mp_cpu *cpu = find_cpu(capture->mp, own_apic_id());

    if (cpu && cpu->checked)
        capture_cpu(capture, cpu);
}

u32 mp_capture_aps(struct capture *capture)
{
    struct mp *mp = capture->mp;
    EFI_STATUS status = EFI_SUCCESS;
    u32 captured = 0;

    if (mp->aps)
        status = mp->services->StartupAllAPs(mp->services, capture_here, FALSE, NULL, TIMEOUT_US,
                                             capture, NULL);
    if (EFI_ERROR(status))
        warn("the firmware's MP Services report 0x%lx after the processors' capture: restart the "
             "machine if one is missing",
             status);
    for (u32 i = 0; i < mp->count; i++)
        captured += i != mp->bsp && mp->cpus[i].started && mp->cpus[i].status == HV_OK;
    return captured;
}

u64 mp_capture_bsp(struct capture *capture)
{
    capture_cpu(capture, &capture->mp->cpus[capture->mp->bsp]);
    return capture->mp->cpus[capture->mp->bsp].status;
}
