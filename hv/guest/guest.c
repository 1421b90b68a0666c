#include "guest.h"
#include "base/asm.h"
#include "counters/pmu.h"
#include "apic/icr.h"
#include "vendor.h"

bool guests_describe(void)
{
    u32 count = hv.info->guest_count;
    const struct boot_guest *boot = (const struct boot_guest *)hv.info->guests;

    hv.guests =
        pages_alloc(&hv.pool, ALIGN_UP(count * sizeof(struct guest), PAGE_SIZE) / PAGE_SIZE);
    for (u32 i = 0; hv.guests && i < count; i++) {
        hv.guests[i].boot = &boot[i];
        hv.guests[i].index = i;
        hv.guests[i].map = hv.shape;
        hv.guests[i].state = i ? GUEST_STOPPED : GUEST_RUNNING;
    }
    return hv.guests;
}

void guest_own(struct cpu *cpu, struct guest *guest)
{
    cpu->guest = guest;
    cpu->guest_index = (u16)guest->index;
    if (cpu->apic_id < hv.owner_count)
        hv.owners[cpu->apic_id] = cpu->guest_index;
}

static struct msr_context describe_msrs(const struct boot_policy *policy, bool partition)
{
    u32 regs[4];

    cpuid(1, 0, regs);
    return (struct msr_context){
        .vendor = hv.intel ? CPU_INTEL : CPU_AMD,
        .family = msr_cpu_family(regs[0]),
        .model = msr_cpu_model(regs[0]),
        .pmu = policy->pmu,
        .unknown_gp = policy->unknown_msr_gp,
        .police_icr = hv.police_icr || hv.watching,
        .partition = partition,
    };
}

static bool prepare(struct guest *guest)
{
    guest->msr = describe_msrs(&guest->boot->policy, is_partition(guest));
    guest->msr_map = (u64)pages_alloc(&hv.pool, vendor->msr_map_pages);
    guest->io_map = (u64)pages_alloc(&hv.pool, vendor->io_map_pages);
    if (!guest->msr_map || !guest->io_map || !pmu_prepare_guest(guest))
        return false;
    guest->uart.in = (struct ring){.bytes = guest->uart.typed, .size = sizeof(guest->uart.typed)};
    guest->uart.out = (struct ring){.bytes = pages_alloc(&hv.pool, VIRTUAL_UART_OUT / PAGE_SIZE),
                                    .size = VIRTUAL_UART_OUT};
    if (!guest->uart.out.bytes)
        return false;
    vendor->write_permissions(guest);
    return true;
}

/* APIC IDs above are looked up the long way. */
#define OWNERS_MAX 0x8000

static u32 highest_id(void)
{
    u32 highest = 0;

    for (u32 i = 0; i < hv.info->cpu_count; i++)
        highest = MAX(highest, hv.info->cpus[i].apic_id);
    return highest;
}

/* All are the firmware's so far. */
static bool prepare_owners(void)
{
    u32 count = MIN(highest_id() + 1, OWNERS_MAX);

    hv.icr_judged = ICR_JUDGE_STARTUP;
    if (hv.info->guest_count == 1)
        return true;
    hv.icr_judged = ICR_JUDGE_ALL;
    hv.owner_count = count;
    hv.owners = pages_alloc(&hv.pool, ALIGN_UP(count * sizeof(u16), PAGE_SIZE) / PAGE_SIZE);
    for (u32 i = 0; hv.owners && i < count; i++)
        hv.owners[i] = NO_OWNER;
    for (u32 i = 0; hv.owners && i < hv.info->cpu_count; i++)
        guest_own(cpu_at(i), tenant());
    return hv.owners;
}

bool guests_prepare(void)
{
    struct msr_context context = describe_msrs(&tenant()->boot->policy, false);

    pmu_prepare(&context);
    if (!prepare_owners())
        return false;
    for (u32 i = 0; i < hv.info->guest_count; i++)
        if (!prepare(guest_at(i)))
            return false;
    return true;
}
