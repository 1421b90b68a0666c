/* Commands that only look: guests, cores, exits, memory, log, version. */
#include "build_id.h"
#include "console/command.h"
#include "console/console.h"
#include "guest.h"
#include "serial/log.h"
#include "counters/pmu.h"
#include "base/tsc.h"
#include "vendor.h"

#define EXIT_NAME(id, name, why) name,
static const char *const exit_names[] = {EXIT_TABLE(EXIT_NAME)};

static u64 exits_of(const struct cpu *cpu)
{
    u64 sum = 0;

    for (u32 i = 0; i < EXIT_REASONS; i++)
        sum += cpu->exits[i];
    return sum;
}

static const char *state_of(const struct cpu *cpu)
{
    static const char *const names[] = {
        [CORE_FIRMWARE] = "firmware", [CORE_RUNNING] = "running",       [CORE_WAITING] = "waiting",
        [CORE_STOPPED] = "stopped",   [CORE_MANAGEMENT] = "management",
    };

    return cpu->state == CORE_RUNNING && cpu->guest->state == GUEST_PAUSED ? "paused"
                                                                           : names[cpu->state];
}

static u32 cores_of(const struct guest *guest)
{
    u32 count = 0;

    for (u32 i = 0; i < hv.info->cpu_count; i++)
        count += cpu_at(i)->guest == guest && cpu_at(i)->state != CORE_MANAGEMENT;
    return count;
}

const char *const pmu_mode_names[] = {"filtered", "full", "off"};

static void guest_row(struct out *out, const struct guest *guest)
{
    static const char *const states[] = {"stopped", "running", "paused"};
    bool runs = guest->state == GUEST_RUNNING;

    out_row(out);
    cell_number(out, guest->index);
    cell_text(out, is_partition(guest) ? "linux" : "firmware");
    cell_text(out, states[guest->state]);
    cell_number(out, cores_of(guest));
    cell_number(out, runs ? guest_cores(guest, CORE_RUNNING) : 0);
    cell_text(out, pmu_mode_names[guest->pmu.mode]);
    cell_hex(out, guest->boot->memory.size);
    cell_text(out, guest->boot->name);
}

void show_guests(struct request *request)
{
    static const struct column columns[] = {
        {"guest", 5, COLUMN_NUMBER}, {"boot", 8, COLUMN_TEXT},      {"state", 7, COLUMN_TEXT},
        {"cores", 5, COLUMN_NUMBER}, {"running", 7, COLUMN_NUMBER}, {"pmu", 8, COLUMN_TEXT},
        {"memory", 10, COLUMN_TEXT}, {"name", 0, COLUMN_TEXT}};
    static const struct table table = {"guests", columns, COUNT(columns)};
    struct out *out = request->out;

    out_table(out, &table);
    for (u32 i = 0; i < hv.info->guest_count; i++)
        guest_row(out, guest_at(i));
    out_end(out);
}

static void core_row(struct out *out, struct cpu *cpu)
{
    bool kept = cpu->state == CORE_MANAGEMENT;
    char guest[8];

    out_row(out);
    cell_number(out, cpu->index);
    cell_hex(out, cpu->apic_id);
    log_text(guest, sizeof(guest), kept ? "-" : "%u", (u64)cpu->guest->index);
    cell_text(out, guest);
    cell_text(out, state_of(cpu));
    cell_number(out, exits_of(cpu));
    cell_number(out, denials_total(&cpu->pmu.core.denials));
    cell_text(out, exits_of(cpu) && vendor->last_exit ? vendor->last_exit(cpu) : "-");
}

void show_cores(struct request *request)
{
    static const struct column columns[] = {
        {"core", 4, COLUMN_NUMBER},   {"apic_id", 10, COLUMN_TEXT}, {"guest", 5, COLUMN_TEXT},
        {"state", 10, COLUMN_TEXT},   {"exits", 12, COLUMN_NUMBER}, {"denials", 9, COLUMN_NUMBER},
        {"last_exit", 0, COLUMN_TEXT}};
    static const struct table table = {"cores", columns, COUNT(columns)};

    out_table(request->out, &table);
    for (u32 i = 0; i < hv.info->cpu_count; i++)
        core_row(request->out, cpu_at(i));
    out_end(request->out);
}

/* When somebody asked last, for the rates. */
static struct {
    u64 at, exits[EXIT_REASONS];
} asked;

static u64 per_second(u64 count, u64 ticks)
{
    u64 per_tick = hv.info->tsc_khz * 1000ULL;

    if (!per_tick || !asked.at || !ticks)
        return 0;
    /* No overflow: a count of an hour, or a few tens of bits, times the frequency does not fit. */
    return ticks > per_tick ? count / (ticks / per_tick) : count * per_tick / ticks;
}

static const struct column all_columns[] = {
    {"core", 4, COLUMN_NUMBER}, {"reason", 12, COLUMN_TEXT}, {"exits", 14, COLUMN_NUMBER}};
static const struct table all_table = {"exits", all_columns, COUNT(all_columns)};

static void rows_of(struct out *out, const struct cpu *cpu)
{
    for (u32 i = 0; i < EXIT_REASONS; i++) {
        if (!cpu->exits[i])
            continue;
        out_row(out);
        cell_number(out, cpu->index);
        cell_text(out, exit_names[i]);
        cell_number(out, cpu->exits[i]);
    }
}

static void all_exits(struct request *request)
{
    out_table(request->out, &all_table);
    for (u32 i = 0; i < hv.info->cpu_count; i++)
        rows_of(request->out, cpu_at(i));
    out_end(request->out);
}

static void one_cores_exits(struct request *request)
{
    u64 core;

    if (!request_number(request, 1, hv.info->cpu_count, "core", &core))
        return;
    out_table(request->out, &all_table);
    rows_of(request->out, cpu_at((u32)core));
    out_end(request->out);
}

static void sum_row(struct out *out, u32 reason, u64 ticks)
{
    u64 sum = 0;

    for (u32 i = 0; i < hv.info->cpu_count; i++)
        sum += cpu_at(i)->exits[reason];
    if (!sum)
        return;
    out_row(out);
    cell_text(out, exit_names[reason]);
    cell_number(out, sum);
    cell_number(out, per_second(sum - asked.exits[reason], ticks));
    asked.exits[reason] = sum;
}

void show_exits(struct request *request)
{
    static const struct column columns[] = {{"reason", 12, COLUMN_TEXT},
                                            {"exits", 14, COLUMN_NUMBER},
                                            {"per_second", 10, COLUMN_NUMBER}};
    static const struct table table = {"exits", columns, COUNT(columns)};
    u64 now = rdtsc();

    if (request->count == 2) {
        if (request->words[1][0] == 'a')
            all_exits(request);
        else
            one_cores_exits(request);
        return;
    }
    out_table(request->out, &table);
    for (u32 i = 0; i < EXIT_REASONS; i++)
        sum_row(request->out, i, now - asked.at);
    out_end(request->out);
    asked.at = now;
}

void show_memory(struct request *request)
{
    struct out *out = request->out;

    out_number(out, "kept", hv.memory_kept);
    out_number(out, "page_tables", hv.memory_tables);
    out_number(out, "image", hv.info->image_size);
    out_hex(out, "region", hv.info->region.base);
    out_number(out, "region_size", hv.info->region.size);
    out_hex(out, "trampoline", hv.info->trampoline);
    out_hex(out, "mapped_to", hv.map_top);
}

static const struct column log_columns[] = {{"line", 0, COLUMN_TEXT}};
static const struct table log_table = {"log", log_columns, COUNT(log_columns)};

static void log_row(void *out, const char *line)
{
    out_row(out);
    cell_text(out, line);
}

void show_log(struct request *request)
{
    u64 lines = 20;

    if (request->count == 2 && !request_number(request, 1, 10001, "number of lines", &lines))
        return;
    out_table(request->out, &log_table);
    log_read((u32)lines, log_row, request->out);
    out_end(request->out);
}

void show_version(struct request *request)
{
    struct out *out = request->out;
    char text[16];

    log_text(text, sizeof(text), "%u.%u.%u", (u64)(CEDE_VERSION >> 16),
             (u64)(CEDE_VERSION >> 8 & 0xff), (u64)(CEDE_VERSION & 0xff));
    out_text(out, "cede", text);
    out_text(out, "build", CEDE_BUILD);
    out_text(out, "virtualization", vendor->name);
    out_number(out, "cores", hv.info->cpu_count);
    out_number(out, "tsc_khz", hv.info->tsc_khz);
    out_hex(out, "tsc", rdtsc());
    out_number(out, "seconds", console_seconds());
    out_text(out, "console", console_text());
    out_text(out, "console_lock", hv.info->console.readonly ? "readonly" : "none");
}
