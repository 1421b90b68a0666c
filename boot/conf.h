/* cede.conf: what the operator decides. docs/cede.conf.md describes the format; this file only
 * turns its text into values, without UEFI, so that it is tested and fuzzed on the host. */
#ifndef CEDE_CONF_H
#define CEDE_CONF_H

#include "boot_info.h"
#include "pmu_policy.h"

#define CONF_PATH    256
#define CONF_OPTIONS 2048
#define CONF_ERROR   240
#define CONF_LIMIT   KIB(64) /* a larger file is not a configuration */

enum conf_console { CONSOLE_AUTO, CONSOLE_PORT, CONSOLE_NONE };

struct conf {
    char next[CONF_PATH]; /* UTF-8, '\' separated, starts with '\'; empty: the next boot option */
    char options[CONF_OPTIONS];
    char initrd[CONF_PATH]; /* as next; empty: none */
    enum conf_console console;
    u16 port;                 /* of CONSOLE_PORT */
    u32 baud;                 /* 0: as the firmware left it */
    struct boot_console wire; /* mode 0: shared where the port was not named, else Cede's own */
    struct boot_policy policy;
    char policy_file[CONF_PATH]; /* as next; empty: none */
    struct pmu_policy rules;     /* the lines that start with allow or deny, then the file's too */
};

/* What a missing cede.conf means. `room` is for the policy's events; it and the struct conf must
 * stay where they are until the hypervisor has read them. */
void conf_defaults(struct conf *conf, struct filter_entry *room, u32 count);

/* Parses text[size] on top of the defaults. On false, `error` is one line for the operator: file,
 * line number, what to do.
 */
bool conf_parse(const char *text, size_t size, struct conf *conf, char error[CONF_ERROR]);

/* Adds what policy_file says; likewise. */
bool conf_parse_policy(const char *text, size_t size, struct conf *conf, char error[CONF_ERROR]);

/* When all has been parsed: whether the policy as a whole makes sense. Hands it to the hypervisor.
 */
bool conf_finish(struct conf *conf, char error[CONF_ERROR]);

/* Which list is in force, for the operator: "architectural", or a file's name. */
const char *conf_list_text(const struct conf *conf, char out[24]);

#endif
