/* Each count several times, and what they were. */
#include "exact.h"
#include "report.h"
#include "samples.h"

static const char *const names[EVENTS][2] = {
    [INSTRUCTIONS] = {"user-instructions", "kernel-instructions"},
    [BRANCHES] = {"user-branches", "kernel-branches"},
    [CYCLES] = {"user-cycles", "kernel-cycles"},
};

static void repeat_count(const struct workload *w, enum event event, bool kernel)
{
    const struct measured m = {"exact", w->name, names[event][kernel], "count"};
    int64_t values[SAMPLES];
    for (u32 i = 0; i < SAMPLES; i++) {
        values[i] = (int64_t)exact_count(w, event, kernel ? SELECT_OS : SELECT_USR, BY_GLOBAL_CTRL);
    }
    samples_say(&m, values, 1);
    expect(event != INSTRUCTIONS || values[0] >= (kernel ? w->least_kernel : w->least_user),
           "%s: less than it executes", w->name);
}

void repeat(const struct workload *w)
{
    for (enum event event = 0; event < EVENTS; event++) {
        repeat_count(w, event, false);
        repeat_count(w, event, true);
    }
    perfmon_reset(exact_pmu);
}
