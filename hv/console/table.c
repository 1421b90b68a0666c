#include "console/command.h"

static void help(struct request *request);

const struct command commands[] = {
    {"help", "", "this list", help, 0, 0, false},
    {"guests", "", "what runs here", show_guests, 0, 0, false},
    {"cores", "", "what each core runs, its exits, its last exit", show_cores, 0, 0, false},
    {"exits", "[all|CORE]", "by reason; per second since last asked", show_exits, 0, 1, false},
    {"pmu", "[CORE]", "counters present, and what is programmed", show_pmu, 0, 1, false},
    {"policy", "", "which events may be counted", show_policy, 0, 0, false},
    {"denials", "", "events that were denied, by core", show_denials, 0, 0, false},
    {"memory", "", "what Cede keeps for itself", show_memory, 0, 0, false},
    {"log", "[LINES]", "Cede's last words", show_log, 0, 1, false},
    {"version", "", "of Cede, and what it runs on", show_version, 0, 0, false},
    {"dump", "CORE", "a core's guest registers, with all cores stopped", show_registers, 1, 1,
     false},
    {"pause", "GUEST", "stops all its cores", act_pause, 1, 1, true},
    {"resume", "GUEST", "lets them go on", act_resume, 1, 1, true},
    {"reset", "GUEST", "starts it again; a sole tenant's is the machine's", act_reset, 1, 1, true},
    {"reboot", "", "resets the machine, at once", act_reboot, 0, 0, true},
    {"poweroff", "", "switches the machine off, at once", act_poweroff, 0, 0, true},
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
