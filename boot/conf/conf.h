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

#define CONF_CORES  4096 /* core numbers are below */
#define CONF_GUESTS 64

/* The `allow` and `deny` lines in force for a guest. */
struct conf_list {
    char file[CONF_PATH];    /* as next; empty: none */
    struct pmu_policy rules; /* the lines in cede.conf, then the file's too */
};

struct core_set {
    u64 bits[CONF_CORES / 64];
};

/* The settings of a guest's section, in the order of its table of keys. */
enum guest_key {
    GUEST_BOOT,
    GUEST_CORES,
    GUEST_MEMORY,
    GUEST_KERNEL,
    GUEST_INITRD,
    GUEST_CMDLINE,
    GUEST_PMU,
    GUEST_POLICY,
    GUEST_CONSOLE,
    GUEST_DEVICES,
    GUEST_SPLIT,
    GUEST_KEYS
};

/* A section [guest NAME]. `lines` are those that set each key, 0: none did, so that a conflict can
 * name both of its lines. */
struct conf_guest {
    char name[GUEST_NAME];
    u32 line; /* of the header */
    u32 lines[GUEST_KEYS];
    u8 boot; /* enum guest_boot */
    u8 console, devices, split_siblings;
    struct core_set cores;
    u64 memory;
    char kernel[CONF_PATH], initrd[CONF_PATH]; /* as next */
    char cmdline[CONF_OPTIONS];
    struct boot_policy policy; /* of conf_finish() */
    struct conf_list list;
};

enum conf_console { CONSOLE_AUTO, CONSOLE_PORT, CONSOLE_NONE };

/* Memory for what a file may have many of. It and the struct conf must stay where they are until
 * the hypervisor has read them. */
struct conf_room {
    struct filter_entry *events; /* of policies, POLICY_EVENTS each */
    u32 event_count;
    struct conf_guest *guests;
    u32 guest_count; /* at most CONF_GUESTS */
};

struct conf {
    char next[CONF_PATH]; /* UTF-8, '\' separated, starts with '\'; empty: the next boot option */
    char options[CONF_OPTIONS];
    char initrd[CONF_PATH]; /* as next; empty: none */
    enum conf_console console;
    u16 port;                 /* of CONSOLE_PORT */
    u32 baud;                 /* 0: as the firmware left it */
    struct boot_console wire; /* mode 0: shared where the port was not named, else Cede's own */
    u32 management_line;
    u8 trace; /* the last exits of each core are kept for the next boot */
    struct boot_policy policy;
    struct conf_list list;
    struct conf_guest *guests; /* sections, of which at most one has boot = firmware */
    u32 guest_count;
    struct conf_room room; /* what is left of it */
};

/* What a missing cede.conf means. */
void conf_defaults(struct conf *conf, const struct conf_room *room);

/* Parses text[size] on top of the defaults. On false, `error` is one line for the operator: file,
 * line number, what to do. */
bool conf_parse(const char *text, size_t size, struct conf *conf, char error[CONF_ERROR]);

/* Adds what the list's file says; likewise. */
bool conf_parse_policy(const char *text, size_t size, struct conf *conf, struct conf_list *list,
                       char error[CONF_ERROR]);

/* When all has been parsed: whether each policy as a whole makes sense. Hands them to the
 * hypervisor; a guest without one of its own has [cede]'s. */
bool conf_finish(struct conf *conf, char error[CONF_ERROR]);

/* Which list is in force, for the operator: "architectural", or a file's name. */
const char *conf_list_text(const struct conf *conf, char out[24]);

static inline bool core_in(const struct core_set *set, u32 core)
{
    return core < CONF_CORES && (set->bits[core / 64] & BIT(core % 64));
}

/* The section of the firmware's guest, NULL if it has none. */
const struct conf_guest *conf_firmware(const struct conf *conf);

#endif
