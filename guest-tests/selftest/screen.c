#include "selftest/screen.h"

#include "selftest/report.h"
#include "uefi/uefi.h"

void screen_begin(const struct state *state)
{
    say("\nCede's self-test. It changes nothing on this machine's disks.\n"
        "The report: \\CEDE\\%s.txt and .json on this stick.\n"
        "The machine restarts after most steps. If it then starts something else, start it\n"
        "from the stick again.\n",
        state->report);
}

void screen_step(const struct step *step, u32 number)
{
    char name[48];

    step_name(step, name);
    say("\nstep %u of %u: %s, up to %u seconds\n", number + 1, steps_count(), name, step->seconds);
}

void screen_resume(const struct step *step, u32 number)
{
    char name[48];

    step_name(step, name);
    say("\nstep %u of %u: %s has come out so:\n", number + 1, steps_count(), name);
}

void screen_patience(const struct step *step, bool watchdog)
{
    enum { FIRMWARE_MINUTES = 3 };
    u32 minutes = (step_patience(step) + 59) / 60;

    if (watchdog)
        say("  Should it hang, the chipset resets the machine after %u minutes.\n", minutes);
    say("  If nothing happens for %u minutes, switch the machine off and on again:\n"
        "  the self-test goes on with the next step.\n",
        minutes + FIRMWARE_MINUTES);
}

void screen_verdict(enum verdict verdict)
{
    say("  %s\n", verdict_text(verdict));
}

static void say_each_bad(const struct state *state)
{
    for (u32 i = 0; i < state_step(state) && i < steps_count(); i++) {
        struct step step = step_get(i);
        char name[48];

        if (state->verdicts[i] == VERDICT_OK)
            continue;
        step_name(&step, name);
        say("  %s: %s\n", name, verdict_text((enum verdict)state->verdicts[i]));
    }
}

void screen_end(const struct state *state)
{
    say("\nThe self-test is complete. %s\n", report_summary(state));
    say_each_bad(state);
    if (state->cut)
        say("The report is not complete, since the stick is full or not writable: what is here on "
            "the\n"
            "screen belongs to it.\n");
    say("Please send \\CEDE\\%s.json from this stick: docs/hardware.md says how.\n", state->report);
}

void screen_without_stick(const char *why)
{
    say("\nThis stick cannot be written to: %s.\n"
        "Without it the self-test cannot go on after a restart: it only looks at the machine, and\n"
        "there is no report but what stands here. Make the stick writable, with some free space,\n"
        "and start again.\n",
        why);
}

void screen_lines(const char *text, size_t size)
{
    char line[128];

    for (size_t at = 0, length; at < size; at += length) {
        for (length = 0; length < sizeof line - 1 && at + length < size; length++)
            line[length] = text[at + length];
        line[length] = 0;
        say("%s", line);
    }
}

static bool key_pressed(void)
{
    EFI_INPUT_KEY key;

    return ST->ConIn && !EFI_ERROR(ST->ConIn->ReadKeyStroke(ST->ConIn, &key));
}

void screen_wait(u32 seconds)
{
    for (u32 tenths = 0; tenths < 10 * seconds && !key_pressed(); tenths++)
        BS->Stall(100000);
}
