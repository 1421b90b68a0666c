/* Any file is parsed without a fault, and what is accepted is within bounds. */
#include <stdlib.h>
#include <string.h>

#include "conf.c"
#include "pmu/policy_text.c"
#include "text.c"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static struct conf conf;
    static struct filter_entry room[POLICY_EVENTS];
    static char error[CONF_ERROR];
    u16 wide[CONF_OPTIONS];

    conf_defaults(&conf, room, COUNT(room));
    if (!conf_parse((const char *)data, size, &conf, error)) {
        if (!error[0] || !memchr(error, 0, sizeof error))
            abort();
        return 0;
    }
    if (!memchr(conf.next, 0, sizeof conf.next) || !memchr(conf.options, 0, sizeof conf.options) ||
        !memchr(conf.initrd, 0, sizeof conf.initrd) || conf.policy.pmu > PMU_OFF)
        abort();
    if (!memchr(conf.policy_file, 0, sizeof conf.policy_file) ||
        conf.rules.event_count > POLICY_EVENTS || conf.rules.aux_count > POLICY_AUX)
        abort();
    conf_parse_policy((const char *)data, size, &conf, error);
    if (!conf_finish(&conf, error) && (!error[0] || !memchr(error, 0, sizeof error)))
        abort();
    text_to_utf16(conf.options, wide, COUNT(wide));
    return 0;
}
