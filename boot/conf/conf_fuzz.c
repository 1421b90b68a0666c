/* Any file is parsed without a fault, and what is accepted is within bounds. */
#include <stdlib.h>
#include <string.h>

#include "conf/conf.c"
#include "conf/conf_guest.c"
#include "conf/conf_value.c"
#include "pmu/policy_text.c"
#include "uefi/text.c"

static struct filter_entry room[2 * POLICY_EVENTS + 7];
static struct conf_guest guests[3];

static void check_list(const struct conf_list *list)
{
    const struct pmu_policy *rules = &list->rules;

    if (!memchr(list->file, 0, sizeof list->file) || rules->aux_count > POLICY_AUX ||
        rules->event_room > POLICY_EVENTS || rules->event_count > rules->event_room)
        abort();
    if (rules->event_room &&
        (rules->events < room || rules->events + rules->event_room > room + COUNT(room)))
        abort();
}

static void check_guest(const struct conf_guest *guest)
{
    if (!guest->name[0] || !memchr(guest->name, 0, sizeof guest->name) ||
        !memchr(guest->kernel, 0, sizeof guest->kernel) ||
        !memchr(guest->initrd, 0, sizeof guest->initrd) ||
        !memchr(guest->cmdline, 0, sizeof guest->cmdline))
        abort();
    if (guest->memory % MIB(2) || (guest->boot == GUEST_LINUX && !guest->memory))
        abort();
    check_list(&guest->list);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static struct conf conf;
    static char error[CONF_ERROR];
    u16 wide[CONF_OPTIONS];

    conf_defaults(&conf, &(struct conf_room){room, COUNT(room), guests, COUNT(guests)});
    if (!conf_parse((const char *)data, size, &conf, error)) {
        if (!error[0] || !memchr(error, 0, sizeof error))
            abort();
        return 0;
    }
    if (!memchr(conf.next, 0, sizeof conf.next) || !memchr(conf.options, 0, sizeof conf.options) ||
        !memchr(conf.initrd, 0, sizeof conf.initrd) || conf.policy.pmu > PMU_OFF)
        abort();
    check_list(&conf.list);
    if (conf.guest_count > COUNT(guests))
        abort();
    for (u32 i = 0; i < conf.guest_count; i++)
        check_guest(&conf.guests[i]);
    conf_parse_policy((const char *)data, size, &conf, &conf.list, error);
    if (!conf_finish(&conf, error) && (!error[0] || !memchr(error, 0, sizeof error)))
        abort();
    text_to_utf16(conf.options, wide, COUNT(wide));
    return 0;
}
