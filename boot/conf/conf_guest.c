/* The sections [guest NAME] of cede.conf. */
#include "conf/conf_value.h"
#include "uefi/text.h"

#define LEAST_MEMORY MIB(16)
#define MOST_MEMORY  GIB(65536)

static bool set_cores(struct parser *p, const struct key *key, struct span value);
static bool set_memory(struct parser *p, const struct key *key, struct span value);

static const struct choice boots[] = {{"linux", GUEST_LINUX}, {"firmware", GUEST_FIRMWARE}, {0}};
static const struct choice all_none[] = {{"all", 1}, {"none", 0}, {0}};
static const struct choice yes_no[] = {{"yes", 1}, {"no", 0}, {0}};

static const struct key guest_keys[GUEST_KEYS] = {
    [GUEST_BOOT] = {"boot", set_choice, KEY_FIELD(conf_guest, boot), boots},
    [GUEST_CORES] = {"cores", set_cores, KEY_FIELD(conf_guest, cores), NULL},
    [GUEST_MEMORY] = {"memory", set_memory, KEY_FIELD(conf_guest, memory), NULL},
    [GUEST_KERNEL] = {"kernel", set_path, KEY_FIELD(conf_guest, kernel), NULL},
    [GUEST_INITRD] = {"initrd", set_path, KEY_FIELD(conf_guest, initrd), NULL},
    [GUEST_CMDLINE] = {"cmdline", set_text, KEY_FIELD(conf_guest, cmdline), NULL},
    [GUEST_PMU] = {"pmu", set_choice, KEY_FIELD(conf_guest, policy.pmu), pmu_modes},
    [GUEST_POLICY] = {"policy", set_path, KEY_FIELD(conf_guest, list.file), NULL},
    [GUEST_CONSOLE] = {"console", set_choice, KEY_FIELD(conf_guest, console), on_off},
    [GUEST_DEVICES] = {"devices", set_choice, KEY_FIELD(conf_guest, devices), all_none},
    [GUEST_SPLIT] = {"split-siblings", set_choice, KEY_FIELD(conf_guest, split_siblings), yes_no},
};

/* The keys that mean nothing for a kind of boot, and why. */
static const struct {
    u8 boot, key;
    const char *why;
} misplaced[] = {
    {GUEST_FIRMWARE, GUEST_MEMORY, "the firmware's guest has what the others leave"},
    {GUEST_FIRMWARE, GUEST_KERNEL, "set 'next' under [cede]"},
    {GUEST_FIRMWARE, GUEST_INITRD, "set 'initrd' under [cede]"},
    {GUEST_FIRMWARE, GUEST_CMDLINE, "set 'options' under [cede]"},
    {GUEST_FIRMWARE, GUEST_CONSOLE, "set 'console-mode' under [cede]"},
};

static const u8 needed[] = {GUEST_CORES, GUEST_MEMORY, GUEST_KERNEL};

static bool take_range(struct span *s, u64 *first, u64 *last)
{
    if (!span_take_number(s, CONF_CORES - 1, first))
        return false;
    *last = *first;
    return !span_take(s, '-') || (span_take_number(s, CONF_CORES - 1, last) && *last >= *first);
}

/* False if one of them is there already: *first is that one. */
static bool add_range(struct core_set *set, u64 *first, u64 last)
{
    for (; *first <= last; ++*first) {
        if (core_in(set, (u32)*first))
            return false;
        set->bits[*first / 64] |= BIT(*first % 64);
    }
    return true;
}

static bool set_cores(struct parser *p, const struct key *key, struct span value)
{
    struct core_set *set = (void *)field_of(p, key);
    struct span all = value;
    u64 first, last;
    char buffer[24];

    while (take_range(&value, &first, &last)) {
        if (!add_range(set, &first, last))
            return reject(p, "core %u is named twice here", (u32)first);
        value = trim(value);
        if (value.at == value.end)
            return true;
        if (!span_take(&value, ','))
            break;
        value = trim(value);
    }
    return reject(p, "cores = %s: use numbers below %u and ranges of them, as 1-3,5",
                  shown(all, buffer), CONF_CORES);
}

static bool set_memory(struct parser *p, const struct key *key, struct span value)
{
    struct span s = value;
    u64 count, size = 0;
    char buffer[24];

    if (span_take_number(&s, MOST_MEMORY / MIB(1), &count))
        size = span_is(s, "M") ? MIB(count) : span_is(s, "G") ? GIB(count) : 0;
    if (size < LEAST_MEMORY || size > MOST_MEMORY || size % MIB(2))
        return reject(p, "memory = %s: use an even number of MiB from 16M on, or GiB, as 4G",
                      shown(value, buffer));
    *(u64 *)(void *)field_of(p, key) = size;
    return true;
}

static bool is_name(struct span s)
{
    const char *start = s.at;

    for (; s.at < s.end; s.at++)
        if (!(*s.at >= 'a' && *s.at <= 'z') &&
            (s.at == start || (*s.at != '-' && !(*s.at >= '0' && *s.at <= '9'))))
            return false;
    return s.at > start && s.at - start < GUEST_NAME;
}

static struct conf_guest *find_guest(struct conf *conf, struct span name)
{
    for (u32 i = 0; i < conf->guest_count; i++)
        if (span_is(name, conf->guests[i].name))
            return &conf->guests[i];
    return NULL;
}

static struct conf_guest *add_guest(struct parser *p, struct span name)
{
    struct conf_guest *guest = &p->conf->guests[p->conf->guest_count++];

    *guest = (struct conf_guest){.line = p->line, .boot = GUEST_LINUX, .console = 1};
    for (size_t i = 0; i < span_length(name); i++)
        guest->name[i] = name.at[i];
    return guest;
}

bool guest_section(struct parser *p, struct span name)
{
    struct conf_guest *guest = find_guest(p->conf, name);
    char buffer[24];

    if (guest)
        return reject(p, "guest '%s' is described on line %u already", guest->name, guest->line);
    if (!is_name(name))
        return reject(p,
                      "[guest %s]: a guest's name is 1 to %u of a-z, 0-9 and '-', a letter first",
                      shown(name, buffer), GUEST_NAME - 1);
    if (p->conf->guest_count == p->conf->room.guest_count)
        return reject(p, "there can be %u guests", p->conf->guest_count);
    guest = add_guest(p, name);
    p->now = (struct section){guest_keys, GUEST_KEYS, guest, guest->lines, &guest->list};
    return true;
}

static bool keys_fit(struct parser *p, const struct conf_guest *guest)
{
    for (unsigned i = 0; i < COUNT(misplaced); i++) {
        u32 line = guest->lines[misplaced[i].key];

        if (guest->boot != misplaced[i].boot || !line)
            continue;
        p->line = line;
        return reject(p, "guest '%s' has boot = firmware (line %u), so '%s' is not its own: %s",
                      guest->name, guest->lines[GUEST_BOOT], guest_keys[misplaced[i].key].name,
                      misplaced[i].why);
    }
    return true;
}

static bool has_needed(struct parser *p, const struct conf_guest *guest)
{
    p->line = guest->line;
    for (unsigned i = 0; i < COUNT(needed); i++)
        if (guest->boot == GUEST_LINUX && !guest->lines[needed[i]])
            return reject(p, "guest '%s' needs '%s'", guest->name, guest_keys[needed[i]].name);
    return true;
}

/* Until Cede owns an IOMMU, whoever has a device reaches all memory by it. */
static bool devices_fit(struct parser *p, const struct conf_guest *guest)
{
    p->line = guest->lines[GUEST_DEVICES];
    if (!p->line || guest->devices == (guest->boot == GUEST_FIRMWARE))
        return true;
    return reject(p, "guest '%s': for now all devices are the firmware's guest's: remove this line",
                  guest->name);
}

static bool only_firmware(struct parser *p, const struct conf_guest *guest)
{
    const struct conf_guest *first = conf_firmware(p->conf);

    if (guest->boot != GUEST_FIRMWARE || guest == first)
        return true;
    p->line = guest->lines[GUEST_BOOT];
    return reject(p, "boot = firmware is guest '%s' (line %u): there can be one only", first->name,
                  first->lines[GUEST_BOOT]);
}

bool guests_are_whole(struct parser *p)
{
    for (u32 i = 0; i < p->conf->guest_count; i++) {
        const struct conf_guest *guest = &p->conf->guests[i];

        if (!only_firmware(p, guest) || !keys_fit(p, guest) || !devices_fit(p, guest) ||
            !has_needed(p, guest))
            return false;
    }
    return true;
}

const struct conf_guest *conf_firmware(const struct conf *conf)
{
    for (u32 i = 0; i < conf->guest_count; i++)
        if (conf->guests[i].boot == GUEST_FIRMWARE)
            return &conf->guests[i];
    return NULL;
}
