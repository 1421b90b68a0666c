#include "console/command.h"

static void help(struct request *request);
static void policy(struct request *request);

const struct command commands[] = {
    {"help", "", "this list", help, 0, 0, LOOKS},
    {"guests", "", "what runs here", show_guests, 0, 0, LOOKS},
    {"cores", "", "what each core runs, its exits, its last exit", show_cores, 0, 0, LOOKS},
    {"exits", "[all|CORE]", "by reason; per second since last asked", show_exits, 0, 1, LOOKS},
    {"pmu", "[CORE]", "counters present, and what is programmed", show_pmu, 0, 1, LOOKS},
    {"policy", "[GUEST] [WHAT]", "what may be counted: filtered, full, off, a preset", policy, 0, 2,
     CHANGES_WITH_ARGUMENTS},
    {"allow", "EVENT...", "after policy begin: a line of a list, until policy commit", act_rule, 1,
     COMMAND_WORDS - 1, STAGES},
    {"deny", "EVENT...", "likewise; wins, wherever it stands", act_rule, 1, COMMAND_WORDS - 1,
     STAGES},
    {"denials", "", "events that were denied, by core", show_denials, 0, 0, LOOKS},
    {"memory", "", "what Cede keeps for itself", show_memory, 0, 0, LOOKS},
    {"log", "[LINES]", "Cede's last words", show_log, 0, 1, LOOKS},
    {"version", "", "of Cede, and what it runs on", show_version, 0, 0, LOOKS},
    {"dump", "CORE", "a core's guest registers, with all cores stopped", show_registers, 1, 1,
     LOOKS},
    {"pause", "GUEST", "stops all its cores", act_pause, 1, 1, CHANGES},
    {"resume", "GUEST", "lets them go on", act_resume, 1, 1, CHANGES},
    {"reset", "GUEST", "starts it again; guest 0's is the machine's", act_reset, 1, 1, CHANGES},
    {"start", "GUEST", "starts a stopped partition", act_start, 1, 1, CHANGES},
    {"stop", "GUEST", "stops a partition for good", act_stop, 1, 1, CHANGES},
    {"attach", "GUEST", "a partition's console; the escape leads back", act_attach, 1, 1, LOOKS},
    {"reboot", "", "resets the machine", act_reboot, 0, 0, CHANGES},
    {"poweroff", "", "switches the machine off", act_poweroff, 0, 0, CHANGES},
};

const u32 command_count = COUNT(commands);

static void help(struct request *request)
{
    static const struct column columns[] = {
        {"command", 8, COLUMN_TEXT}, {"arguments", 10, COLUMN_TEXT}, {"what", 0, COLUMN_TEXT}};
    static const struct table table = {"commands", columns, COUNT(columns)};

    out_table(request->out, &table);
    for (u32 i = 0; i < command_count; i++) {
        out_row(request->out);
        cell_text(request->out, commands[i].name);
        cell_text(request->out, commands[i].arguments);
        cell_text(request->out, commands[i].help);
    }
    out_end(request->out);
}

static void policy(struct request *request)
{
    if (!request_guest(request, true))
        return;
    if (request->count > 1)
        act_policy(request);
    else
        show_policy(request);
}
