#include "guests/grants.h"

#include "pmu_grants.h"
#include "machine/cpu_ops.h"
#include "uefi/refuse.h"
#include "uefi/text.h"
#include "uefi/uefi.h"

/* `whose` is empty, or ends with a colon. */
static bool judge_list(const struct conf_list *list, const struct plan *plan, const char *whose)
{
    enum grant_answer why;
    enum policy_grant grant = grants_refused(&real_cpu, &list->rules, plan->guest_count, &why);

    if (grant == GRANTS)
        return true;
    refuse("%s'allow %s': %s", whose, grant_name(grant), grant_text(why));
    return false;
}

bool grants_plan(const struct conf *conf, const struct plan *plan)
{
    bool good = judge_list(&conf->list, plan, "");

    for (u32 i = 0; i < conf->guest_count; i++) {
        char whose[GUEST_NAME + 12];

        text_print(whose, sizeof whose, "guest '%s': ", conf->guests[i].name);
        good = judge_list(&conf->guests[i].list, plan, whose) && good;
    }
    return good;
}

void grants_report(const struct plan *plan)
{
    for (u32 i = 0; i < GRANTS; i++)
        say("cede: grant: %-6s %s\n", grant_name((enum policy_grant)i),
            grant_text(grant_ask(&real_cpu, (enum policy_grant)i, plan->guest_count)));
}
