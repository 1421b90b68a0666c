/* The commands, for people and for programs. An answer is described once, into struct out.
 *
 * A command runs on whatever core holds the console, with its guest out, in the host; it waits for
 * nothing but other cores' answers to a kick. */
#ifndef CEDE_CONSOLE_COMMAND_H
#define CEDE_CONSOLE_COMMAND_H

#include "console/out.h"
#include "cpu.h"

#define COMMAND_WORDS 24

struct request {
    struct out *out;
    struct cpu *self;    /* the core that runs it */
    struct guest *guest; /* that the command is about, where it takes one */
    u32 count;           /* of words[], the command's name included */
    char *words[COMMAND_WORDS];
};

/* What a command does to the machine. */
enum effect {
    LOOKS,
    STAGES,  /* a part of a change to come: not in the log */
    CHANGES, /* noted in the log, with its outcome */
    CHANGES_WITH_ARGUMENTS,
};

struct command {
    const char *name, *arguments, *help;
    void (*run)(struct request *request);
    u8 least, most; /* arguments */
    u8 effect;      /* enum effect; all but LOOKS is refused by console-lock = readonly */
};

/* hv/console/table.c, in the order of `help`. */
extern const struct command commands[];
extern const u32 command_count;

/* NULL for an unknown name. */
const struct command *command_find(const char *name);

/* Splits `text` in place, and runs what it says. Whatever is wrong is said in the answer. An empty
 * text does nothing. */
void command_run(struct out *out, struct cpu *self, char *text, bool readonly);

/* What the command in `text`, with its arguments, does: LOOKS, STAGES or CHANGES. Leaves it as it
 * is. */
enum effect command_effect(const char *text);

/* An argument that is a number; on false the answer says what is wrong. */
bool request_number(struct request *request, u32 index, u64 limit, const char *what, u64 *value);

/* hv/console/act.c: takes the guest out of the arguments, by number or name. Without one it is the
 * firmware's if `optional`, else the answer says what is wrong. */
bool request_guest(struct request *request, bool optional);

/* hv/console/show.c */
void show_guests(struct request *request);
void show_cores(struct request *request);
void show_exits(struct request *request);
void show_memory(struct request *request);
void show_log(struct request *request);
void show_version(struct request *request);
/* hv/console/show_pmu.c */
void show_pmu(struct request *request);
void show_policy(struct request *request);
extern const char *const pmu_mode_names[];
void show_denials(struct request *request);
/* hv/console/act.c */
void act_pause(struct request *request);
void act_resume(struct request *request);
void act_reset(struct request *request);
void act_start(struct request *request);
void act_attach(struct request *request);
void act_stop(struct request *request);
void act_reboot(struct request *request);
void act_poweroff(struct request *request);
/* hv/console/act_policy.c */
void act_policy(struct request *request);
void act_rule(struct request *request);
/* hv/console/dump.c */
void show_registers(struct request *request);

#endif
