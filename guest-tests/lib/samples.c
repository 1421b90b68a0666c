#include "samples.h"
#include "report.h"

int64_t samples_median(int64_t values[SAMPLES])
{
    for (u32 i = 1; i < SAMPLES; i++) {
        for (u32 j = i; j && values[j - 1] > values[j]; j--) {
            int64_t larger = values[j - 1];
            values[j - 1] = values[j];
            values[j] = larger;
        }
    }
    return values[SAMPLES / 2];
}

struct decimal {
    const char *sign;
    u64 whole, hundredths;
};

static struct decimal decimal(int64_t value, u64 per)
{
    u64 size = value < 0 ? -(u64)value : (u64)value, hundredths = (size * 100 + per / 2) / per;
    return (struct decimal){value < 0 && hundredths ? "-" : "", hundredths / 100, hundredths % 100};
}

void samples_say(const struct measured *m, int64_t values[SAMPLES], u64 per)
{
    struct decimal middle = decimal(samples_median(values), per), least = decimal(values[0], per),
                   most = decimal(values[SAMPLES - 1], per);
    say("measure: %s.%s%s%s %s %s%lu.%02lu %s%lu.%02lu %s%lu.%02lu", m->group, m->name,
        m->what ? "." : "", m->what ? m->what : "", m->unit, least.sign, least.whole,
        least.hundredths, middle.sign, middle.whole, middle.hundredths, most.sign, most.whole,
        most.hundredths);
}
