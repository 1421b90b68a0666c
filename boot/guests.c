#include "guests.h"

#include "cpu_ops.h"
#include "pmu_text.h"
#include "refuse.h"
#include "text.h"

bool guests_plan(const struct conf *conf, const struct mp *mp, const struct memory *memory,
                 struct plan *plan)
{
    *plan = (struct plan){.cpus = pool_alloc(mp->count * sizeof plan->cpus[0]),
                          .count = mp->count,
                          .bsp = mp->bsp,
                          .thread_bits = plan_thread_bits(&real_cpu),
                          .memory = memory->total};
    if (!plan->cpus) {
        refuse("no memory for the processor list");
        return false;
    }
    for (u32 i = 0; i < mp->count; i++)
        plan->cpus[i] = (struct boot_cpu){mp->cpus[i].apic_id, mp->cpus[i].firmware, 0};
    bool cores_fit = plan_cores(conf, plan);
    return plan_memory(conf, plan) && cores_fit;
}

void guests_plan_free(struct plan *plan)
{
    pool_free(plan->cpus);
    plan->cpus = NULL;
}

static void say_cores(const struct plan *plan, u32 number)
{
    const char *separator = " ";

    for (u32 i = 0; i < plan->count; i++)
        if (plan->cpus[i].guest == number) {
            say("%s%u", separator, i);
            separator = ",";
        }
}

void guests_report(const struct conf *conf, const struct plan *plan)
{
    const struct conf_guest *guest = conf_firmware(conf);

    if (!plan_partition(conf, 1))
        return;
    say("cede: guest %s: firmware, cores", guest ? guest->name : "firmware");
    say_cores(plan, 0);
    say("\n");
    for (u32 number = 1; (guest = plan_partition(conf, number)); number++) {
        say("cede: guest %s: linux, %lu MiB, pmu %s, cores", guest->name, guest->memory / MIB(1),
            pmu_mode_text(guest->policy.pmu));
        say_cores(plan, number);
        say("\n");
    }
}
