/* cede.conf: what the operator decides. docs/cede.conf.md describes the format; this file only
 * turns its text into values, without UEFI, so that it is tested and fuzzed on the host. */
#ifndef CEDE_CONF_H
#define CEDE_CONF_H

#include "boot_info.h"

#define CONF_PATH    256
#define CONF_OPTIONS 2048
#define CONF_ERROR   160
#define CONF_LIMIT   KIB(64) /* a larger file is not a configuration */

enum conf_console { CONSOLE_AUTO, CONSOLE_PORT, CONSOLE_NONE };

struct conf {
    char next[CONF_PATH]; /* UTF-8, '\' separated, starts with '\'; empty: the next boot option */
    char options[CONF_OPTIONS];
    char initrd[CONF_PATH]; /* as next; empty: none */
    enum conf_console console;
    u16 port; /* of CONSOLE_PORT */
    u32 baud; /* 0: as the firmware left it */
    struct boot_policy policy;
};

/* What a missing cede.conf means. */
void conf_defaults(struct conf *conf);

/* Parses text[size]. On false, `error` is one line for the operator: file, line number, what to do.
 */
bool conf_parse(const char *text, size_t size, struct conf *conf, char error[CONF_ERROR]);

#endif
