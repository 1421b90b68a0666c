/* Commands about the PMU that only look. */
#include "console/command.h"
#include "guest.h"
#include "serial/log.h"
#include "counters/pmu.h"

static bool intel(void)
{
    return hv.intel;
}

static u32 counters(const struct cpu *cpu)
{
    return intel() ? cpu->pmu.intel.caps.counters : pmu.amd.counters;
}

/* What the guest wrote. In mode `full` nothing is intercepted, and the shadows know nothing. */
static u64 selector(const struct cpu *cpu, u32 counter)
{
    return intel() ? cpu->pmu.intel.shadow[counter] : cpu->pmu.amd.shadow[counter];
}

static u32 event_of(u64 selector)
{
    return (u32)(selector & EVTSEL_EVENT) | (intel() ? 0 : (u32)FIELD(selector, 35, 32) << 8);
}

static const char *rings(u64 selector)
{
    static const char *const names[] = {"-", "user", "kernel", "both"};

    return names[FIELD(selector, 17, 16)];
}

static const char *verdict(const struct cpu *cpu, u64 selector)
{
    if (!(selector & EVTSEL_EN))
        return "off";
    return filter_allows(cpu->pmu.core.filter, selector) ? "counting" : "denied";
}

static void selector_row(struct out *out, const struct cpu *cpu, u32 counter)
{
    u64 value = selector(cpu, counter);

    if (!value)
        return;
    out_row(out);
    cell_number(out, cpu->index);
    cell_number(out, counter);
    cell_hex(out, event_of(value));
    cell_hex(out, FIELD(value, 15, 8));
    cell_text(out, rings(value));
    cell_hex(out, value);
    cell_text(out, verdict(cpu, value));
}

static void selector_rows(struct request *request, u64 only)
{
    static const struct column columns[] = {
        {"core", 4, COLUMN_NUMBER}, {"counter", 7, COLUMN_NUMBER}, {"event", 5, COLUMN_TEXT},
        {"umask", 5, COLUMN_TEXT},  {"rings", 6, COLUMN_TEXT},     {"selector", 18, COLUMN_TEXT},
        {"state", 0, COLUMN_TEXT}};
    static const struct table table = {"programmed", columns, COUNT(columns)};

    out_table(request->out, &table);
    for (u32 i = 0; i < hv.info->cpu_count; i++)
        for (u32 counter = 0; counter < counters(cpu_at(i)) && (only == ~0ULL || only == i);
             counter++)
            selector_row(request->out, cpu_at(i), counter);
    out_end(request->out);
}

static void fixed_rows(struct request *request)
{
    u32 count = 0;

    for (u32 i = 0; i < 16; i++)
        count += pmu.intel.fixed >> i & 1;
    out_number(request->out, "fixed_counters", count);
    out_number(request->out, "perfmon", pmu.intel.version);
}

void show_pmu(struct request *request)
{
    u64 only = ~0ULL;
    u8 mode;

    if (request->count == 2 && !request_number(request, 1, hv.info->cpu_count, "core", &only))
        return;
    mode = only < hv.info->cpu_count ? cpu_at((u32)only)->pmu.core.mode : tenant()->pmu.mode;
    out_text(request->out, "mode", pmu_mode_names[mode]);
    out_number(request->out, "counters",
               counters(cpu_at(only == ~0ULL ? hv.info->bsp : (u32)only)));
    if (intel())
        fixed_rows(request);
    if (mode == PMU_FILTERED)
        selector_rows(request, only);
    else
        out_say(request->out, "selectors are seen in mode filtered only");
}

/* Pairs of event select and umask. */
static u32 allowed_events(const struct filter *filter)
{
    u32 events = 0;

    for (u32 i = 0; i < FILTER_BITS / 32; i++)
        for (u32 bits = filter->allowed[i]; bits; bits &= bits - 1)
            events++;
    return events;
}

/* What is in force of the policy's grants. */
static const char *grants_in_force(const struct guest *guest)
{
    static char text[40]; /* all names; the console's lock is held */
    u32 given = pmu_grants(&guest->pmu);
    char *end = text;

    for (; given; given &= given - 1) {
        if (end > text)
            *end++ = ' ';
        for (const char *c = grant_name((enum policy_grant)__builtin_ctz(given)); *c; c++)
            *end++ = *c;
    }
    *end = 0;
    return end > text ? text : "none";
}

void show_policy(struct request *request)
{
    const struct guest *guest = request->guest;
    const struct boot_policy *policy = &guest->boot->policy;

    out_text(request->out, "mode", pmu_mode_names[guest->pmu.mode]);
    if (guest->pmu.mode == PMU_FILTERED)
        out_number(request->out, "allowed_events", allowed_events(guest->pmu.list));
    out_text(request->out, "grants", grants_in_force(guest));
    out_text(request->out, "hypervisor_bit", policy->hypervisor_bit ? "on" : "off");
    out_text(request->out, "unknown_msr", policy->unknown_msr_gp ? "gp" : "pass");
}

static void denial_row(struct out *out, u32 core, const struct denial *row)
{
    out_row(out);
    cell_number(out, core);
    cell_number(out, row->count);
    cell_hex(out, row->msr);
    cell_hex(out, row->value);
    cell_hex(out, row->rip);
    cell_hex(out, row->cr3);
}

static void denial_rows(struct out *out, const struct cpu *cpu)
{
    const struct denials *denials = &cpu->pmu.core.denials;

    for (u32 i = 0; i < DENIAL_ROWS; i++)
        if (denials->row[i].value)
            denial_row(out, cpu->index, &denials->row[i]);
}

void show_denials(struct request *request)
{
    static const struct column columns[] = {
        {"core", 4, COLUMN_NUMBER}, {"count", 10, COLUMN_NUMBER},   {"msr", 6, COLUMN_TEXT},
        {"value", 12, COLUMN_TEXT}, {"first_rip", 18, COLUMN_TEXT}, {"cr3", 0, COLUMN_TEXT}};
    static const struct table table = {"denials", columns, COUNT(columns)};

    out_table(request->out, &table);
    for (u32 i = 0; i < hv.info->cpu_count; i++)
        denial_rows(request->out, cpu_at(i));
    out_end(request->out);
}
