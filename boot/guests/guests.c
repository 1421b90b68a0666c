#include "guests/guests.h"
#include "guests/grants.h"

#include "machine/cpu_ops.h"
#include "machine/pmu_text.h"
#include "uefi/refuse.h"

#define CPUID_X2APIC BIT(21) /* 1 ECX */

static bool has_x2apic(void)
{
    if (cpuid_value(1, 0, CPUID_ECX) & CPUID_X2APIC)
        return true;
    refuse("partitions need processors with an x2APIC: remove the [guest ...] sections");
    return false;
}

static bool list_cpus(const struct mp *mp, struct plan *plan)
{
    plan->cpus = pool_alloc(mp->count * sizeof plan->cpus[0]);
    for (u32 i = 0; plan->cpus && i < mp->count; i++)
        plan->cpus[i] = (struct boot_cpu){mp->cpus[i].apic_id, mp->cpus[i].firmware, 0};
    return plan->cpus;
}

static void set_name(struct boot_guest *guest, const char *name)
{
    for (unsigned i = 0; i < GUEST_NAME - 1 && name[i]; i++)
        guest->name[i] = name[i];
}

static void describe_firmware(const struct conf *conf, struct boot_guest *guest)
{
    const struct conf_guest *section = conf_firmware(conf);

    guest->boot = GUEST_FIRMWARE;
    guest->policy = section ? section->policy : conf->policy;
    set_name(guest, section ? section->name : plan_partition(conf, 1) ? "firmware" : "tenant");
}

static void describe_partition(const struct conf_guest *section, const struct plan *plan,
                               u32 number)
{
    struct boot_guest *guest = &plan->guests[number];

    guest->boot = GUEST_LINUX;
    guest->policy = section->policy;
    guest->policy.hypervisor_bit = 1; /* no bare machine looks like a partition */
    guest->memory.size = section->memory;
    guest->console = section->console;
    set_name(guest, section->name);
    while (guest->boot_cpu < plan->count && plan->cpus[guest->boot_cpu].guest != number)
        guest->boot_cpu++;
}

static bool describe(const struct conf *conf, struct plan *plan)
{
    plan->guest_count = 1 + plan_partitions(conf);
    plan->guests = pool_alloc(plan->guest_count * sizeof plan->guests[0]);
    if (!plan->guests)
        return false;
    describe_firmware(conf, &plan->guests[0]);
    for (u32 number = 1; number < plan->guest_count; number++)
        describe_partition(plan_partition(conf, number), plan, number);
    return true;
}

bool guests_plan(const struct conf *conf, const struct mp *mp, const struct memory *memory,
                 struct plan *plan)
{
    *plan = (struct plan){.count = mp->count,
                          .bsp = mp->bsp,
                          .thread_bits = plan_thread_bits(&real_cpu),
                          .memory = memory->total};
    if (!list_cpus(mp, plan)) {
        refuse("no memory for the processor list");
        return false;
    }
    bool good = plan_cores(conf, plan);
    if (!describe(conf, plan)) {
        refuse("no memory for the list of guests");
        return false;
    }
    good = plan_memory(conf, plan) && good;
    good = grants_plan(conf, plan) && good;
    return (plan->guest_count == 1 || has_x2apic()) && good;
}

void guests_free(struct plan *plan)
{
    pool_free(plan->cpus);
    pool_free(plan->guests);
    plan->cpus = NULL;
    plan->guests = NULL;
}

static void say_cores(const struct plan *plan, u32 number)
{
    const char *separator = " ";

    for (u32 i = 0; i < plan->count; i++)
        if (plan->cpus[i].guest == number) {
            say("%s%u", separator, i);
            separator = ",";
        }
    say("\n");
}

void guests_report(const struct plan *plan)
{
    for (u32 number = 0; plan->guest_count > 1 && number < plan->guest_count; number++) {
        const struct boot_guest *guest = &plan->guests[number];

        say("cede: guest %s: ", guest->name);
        if (number)
            say("%lu MiB", guest->memory.size / MIB(1));
        else
            say("firmware");
        say(", pmu %s, cores", pmu_mode_text(guest->policy.pmu));
        say_cores(plan, number);
    }
}
