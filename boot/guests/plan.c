#include "guests/plan.h"

#include "uefi/refuse.h"
#include "uefi/text.h"

/* What the firmware and an OS that it starts need at least. */
#define FIRMWARE_MEMORY MIB(128)

const struct conf_guest *plan_partition(const struct conf *conf, u32 number)
{
    for (u32 i = 0; i < conf->guest_count && number; i++)
        if (conf->guests[i].boot == GUEST_LINUX && !--number)
            return &conf->guests[i];
    return NULL;
}

static u32 cores_line(const struct conf_guest *guest)
{
    return guest->lines[GUEST_CORES];
}

static void compare(const struct conf_guest *a, const struct conf_guest *b)
{
    u32 first = CONF_CORES, count = 0;

    for (u32 core = CONF_CORES; core--;)
        if (core_in(&a->cores, core) && core_in(&b->cores, core)) {
            first = core;
            count++;
        }
    if (count)
        refuse("cede.conf:%u: guest '%s' names core %u%s, which guest '%s' has on line %u",
               cores_line(b), b->name, first, count > 1 ? " and others" : "", a->name,
               cores_line(a));
}

static void compare_all(const struct conf *conf)
{
    for (u32 b = 1; b < conf->guest_count; b++)
        for (u32 a = 0; a < b; a++)
            compare(&conf->guests[a], &conf->guests[b]);
}

static void check_known(const struct conf_guest *guest, const struct plan *plan)
{
    for (u32 core = plan->count; core < CONF_CORES; core++)
        if (core_in(&guest->cores, core)) {
            refuse("cede.conf:%u: guest '%s' names core %u: this machine's are 0 to %u, as "
                   "cede.efi --check lists them",
                   cores_line(guest), guest->name, core, plan->count - 1);
            return;
        }
}

static void check_usable(const struct conf_guest *guest, const struct plan *plan)
{
    if (core_in(&guest->cores, plan->bsp))
        refuse("cede.conf:%u: guest '%s' names core %u, the boot processor, which stays with the "
               "firmware's guest: take another one",
               cores_line(guest), guest->name, plan->bsp);
    for (u32 core = 0; core < plan->count; core++)
        if (core_in(&guest->cores, core) && core != plan->bsp && !plan->cpus[core].firmware)
            refuse("cede.conf:%u: guest '%s' names core %u, which the firmware cannot start",
                   cores_line(guest), guest->name, core);
}

static void assign(const struct conf *conf, struct plan *plan)
{
    const struct conf_guest *guest;

    for (u32 number = 1; (guest = plan_partition(conf, number)); number++) {
        check_usable(guest, plan);
        for (u32 core = 0; core < plan->count; core++)
            if (core_in(&guest->cores, core))
                plan->cpus[core].guest = number;
    }
}

static bool siblings(const struct plan *plan, u32 a, u32 b)
{
    return !((plan->cpus[a].apic_id ^ plan->cpus[b].apic_id) >> plan->thread_bits);
}

/* A core of partition `number` that shares its caches and units with another guest's, and that
 * one: false if there is none. */
static bool find_split(const struct plan *plan, u32 number, u32 *mine, u32 *other)
{
    for (*mine = 0; *mine < plan->count; ++*mine)
        for (*other = 0; plan->cpus[*mine].guest == number && *other < plan->count; ++*other)
            if (plan->cpus[*other].guest != number && siblings(plan, *mine, *other))
                return true;
    return false;
}

static const char *whose(const struct conf_guest *guest, char out[48])
{
    if (!guest)
        return "the firmware's guest's";
    text_print(out, 48, "guest '%s's (line %u)", guest->name, cores_line(guest));
    return out;
}

static void check_split(const struct conf *conf, const struct plan *plan, u32 number)
{
    const struct conf_guest *guest = plan_partition(conf, number);
    u32 mine, other;
    char buffer[48];

    if (find_split(plan, number, &mine, &other))
        (guest->split_siblings ? warn : refuse)(
            "cede.conf:%u: guest '%s' has core %u, but core %u, a thread of the same core, is %s: "
            "each can watch the other%s",
            cores_line(guest), guest->name, mine, other,
            whose(plan_partition(conf, plan->cpus[other].guest), buffer),
            guest->split_siblings ? "" : "; give both to one, or set split-siblings = yes");
}

static void check_management(const struct conf *conf, const struct plan *plan)
{
    u32 core = conf->wire.management;
    const struct conf_guest *guest =
        core < plan->count ? plan_partition(conf, plan->cpus[core].guest) : NULL;

    if (guest)
        refuse("cede.conf:%u: management = %u: that core is guest '%s's (line %u)",
               conf->management_line, core, guest->name, cores_line(guest));
}

u32 plan_partitions(const struct conf *conf)
{
    u32 count = 0;

    for (u32 i = 0; i < conf->guest_count; i++)
        count += conf->guests[i].boot == GUEST_LINUX;
    return count;
}

bool plan_cores(const struct conf *conf, struct plan *plan)
{
    unsigned before = refusals();

    compare_all(conf);
    for (u32 i = 0; i < conf->guest_count; i++)
        check_known(&conf->guests[i], plan);
    assign(conf, plan);
    check_management(conf, plan);
    if (refusals() != before)
        return false; /* what comes next would only repeat it */
    for (u32 number = 1; plan_partition(conf, number); number++)
        check_split(conf, plan, number);
    return refusals() == before;
}

bool plan_memory(const struct conf *conf, const struct plan *plan)
{
    const struct conf_guest *guest;
    u64 sum = 0;
    char list[200] = "";
    size_t used = 0;

    for (u32 number = 1; (guest = plan_partition(conf, number)); number++) {
        sum += guest->memory;
        used += text_print(list + used, sizeof list - used, "%s%u", used ? ", " : "",
                           guest->lines[GUEST_MEMORY]);
    }
    if (!sum || sum + FIRMWARE_MEMORY <= plan->memory)
        return true;
    refuse("cede.conf: the guests' memory (line %s) is %lu MiB in all, but this machine has %lu "
           "MiB, of which %lu stay with the firmware's guest",
           list, sum / MIB(1), plan->memory / MIB(1), FIRMWARE_MEMORY / MIB(1));
    return false;
}

static u32 bits_for(u32 count)
{
    u32 bits = 0;

    while (count > BIT(bits))
        bits++;
    return bits;
}

/* Leaf 1FH or 0BH: level 0 is that of threads (SDM 10.9.1); else AMD's leaf 8000_001E (APM volume
 * 3, E.4.15). Processors without them have no threads that matter here. */
u32 plan_thread_bits(const struct cpu_ops *cpu)
{
    static const u32 leaves[] = {0x1f, 0x0b};
    u32 max[4], out[4];

    cpu->cpuid(0, 0, max);
    for (unsigned i = 0; i < COUNT(leaves); i++) {
        if (max[0] < leaves[i])
            continue;
        cpu->cpuid(leaves[i], 0, out);
        if (out[1] && FIELD(out[2], 15, 8) == 1)
            return out[0] & 31;
    }
    cpu->cpuid(0x80000000, 0, max);
    if (max[0] < 0x8000001e)
        return 0;
    cpu->cpuid(0x80000001, 0, out);
    if (!(out[2] & BIT(22))) /* TopologyExtensions */
        return 0;
    cpu->cpuid(0x8000001e, 0, out);
    return bits_for((u32)FIELD(out[1], 15, 8) + 1);
}
