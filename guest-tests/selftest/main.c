/* The self-test's conductor, BOOTX64.EFI of its stick: takes a machine step by step, each that may
 * hang in a boot of its own, and writes down what became of it. Under Cede it is what Cede starts,
 * and starts the test. */
#include "lib/kept_text.h"
#include "lib/restart.h"
#include "machine/kept_blocks.h"
#include "selftest/last_words.h"
#include "selftest/report.h"
#include "selftest/run.h"
#include "selftest/screen.h"
#include "selftest/stick.h"
#include "selftest/watchdog.h"
#include "uefi/presence.h"
#include "uefi/text.h"

#define STATE_FILE "\\CEDE\\state.txt"

enum { BLOCK = KIB(256), FINISHED_WAIT = 10, END_WAIT = 20, UNWRITABLE_WAIT = 120 };

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

static EFI_HANDLE self;
static struct state state;

static void power_off(void)
{
    RT->ResetSystem(EfiResetShutdown, EFI_SUCCESS, 0, NULL);
    for (;;)
        BS->Stall(1000000);
}

static EFI_STATUS save(void)
{
    char text[STATE_SIZE];

    state_format(&state, text);
    return stick_write(STATE_FILE, text, sizeof text);
}

/* No step is started that the next boot would start again. */
static void save_or_stop(void)
{
    EFI_STATUS status = save();

    if (!EFI_ERROR(status))
        return;
    say("\nThe self-test stops here: the stick does not take the state any more: %s\n",
        status_text(status));
    screen_wait(UNWRITABLE_WAIT);
    power_off();
}

/* --- a step's text ------------------------------------------------------------------------------
 */
/* A block may be an older step's, which a reset has brought back: it says whose it is. */
static size_t title(const struct step *step, char out[96])
{
    char name[48];

    step_name(step, name);
    return text_print(out, 96, "info: step %s of %s\n", name, state.report);
}

static bool is_of(const struct kept *block, const struct step *step)
{
    char start[96];
    size_t length = title(step, start);

    return kept_used(block) >= length && !__builtin_memcmp(block->payload, start, length);
}

static struct kept *new_block(const struct step *step)
{
    struct kept *block = kept_alloc(KEPT_STEP, BLOCK);
    char start[96];

    if (!block)
        return NULL;
    kept_flush(block, sizeof *block);
    title(step, start);
    kept_put(block, start);
    return block;
}

/* --- a step's end -------------------------------------------------------------------------------
 */
/* What the report does not take is on the screen. It stays as it was: a step in between may not be
 * missing. */
static void show(EFI_STATUS why, const char *text, size_t size)
{
    if (EFI_ERROR(why))
        say("  The report ends before this step, since the stick is not writable any more: %s\n",
            status_text(why));
    screen_lines(text, size);
    state.cut = true;
}

static void record(const struct step *step, enum verdict verdict, const char *text, size_t size)
{
    EFI_STATUS status = state.cut ? EFI_SUCCESS : report_step(&state, step, verdict, text, size);

    if (state.cut || EFI_ERROR(status))
        show(status, text, size);
    screen_verdict(verdict);
    state_end_step(&state, verdict);
    save_or_stop();
}

static void record_block(const struct step *step, struct kept *block, bool came_back)
{
    u32 size = block ? kept_used(block) : 0;
    const char *text = block ? (const char *)block->payload : "";
    enum verdict verdict = step_outcome(step, &state, text, size);

    if (came_back && verdict != VERDICT_OK && verdict != VERDICT_FAILED)
        verdict = VERDICT_REFUSED;
    record(step, verdict, text, size);
    if (block)
        kept_drop(block);
}

/* Cede's panic reports of that boot, if there were any: those before it are dropped (run()). */
static void add_last_words(struct kept *block)
{
    struct kept *cede = kept_newest(KEPT_CEDE, NULL);

    if (!cede)
        return;
    last_words_add(block, cede);
    kept_drop(cede);
}

/* What the last boot has started. */
static void resume(void)
{
    struct step step = step_get(state_step(&state));
    struct kept *block = kept_newest(KEPT_STEP, NULL);

    if (!state.started)
        return;
    if (block && !(is_of(block, &step) && kept_hold(block)))
        block = NULL;
    if (block && step.kind == STEP_CEDE)
        add_last_words(block);
    screen_resume(&step, state_step(&state));
    record_block(&step, block, false);
}

/* --- steps --------------------------------------------------------------------------------------
 */
/* An older boot's panic is no word on this step; `check`, the first one, has shown it. */
static void forget_last_words(void)
{
    for (struct kept *at = NULL, *next; (next = kept_find(KEPT_CEDE, at)); at = next)
        kept_drop(next);
}

static void run(const struct step *step)
{
    struct kept *block = new_block(step);

    if (!block) {
        static const char text[] = "info: no memory for a kept block\n";
        record(step, VERDICT_REFUSED, text, sizeof text - 1);
        return;
    }
    forget_last_words();
    state.started = true;
    save_or_stop();
    run_boot_here_again();
    BS->SetWatchdogTimer(step_patience(step), 0x10000, 0, NULL);
    screen_patience(step, watchdog_start(step_patience(step)));
    run_step(self, step, block);
    watchdog_stop();
    BS->SetWatchdogTimer(0, 0, 0, NULL);
    record_block(step, block, true);
    if (presence_find())
        restart(RT);
}

static void next_step(void)
{
    struct step step = step_get(state_step(&state));
    enum verdict forbidden = step_forbidden(&step, &state);

    screen_step(&step, state_step(&state));
    if (forbidden)
        record(&step, forbidden, "", 0);
    else
        run(&step);
}

static void finish(void)
{
    state.cut |= !state.cut && EFI_ERROR(report_end(&state));
    state.finished = true;
    save_or_stop();
    screen_end(&state);
    say("The machine switches itself off in %u seconds.\n", END_WAIT);
    screen_wait(END_WAIT);
    power_off();
}

/* --- where to begin -----------------------------------------------------------------------------
 */
static void add_steps(void)
{
    void *text;
    u64 size;

    if (EFI_ERROR(stick_read("\\CEDE\\steps.txt", &text, &size)))
        return;
    steps_add(text, size);
    pool_free(text);
}

static bool load_state(void)
{
    void *text;
    u64 size;

    if (EFI_ERROR(stick_read(STATE_FILE, &text, &size)))
        return false;
    bool good =
        state_parse(text, size, &state) && (state.finished || state_step(&state) <= steps_count());
    pool_free(text);
    return good;
}

static void only_look(EFI_STATUS why)
{
    struct step check = step_get(STEP_NUMBER_CHECK);
    struct kept *block;

    screen_without_stick(status_text(why));
    screen_step(&check, STEP_NUMBER_CHECK);
    block = new_block(&check);
    if (block)
        run_step(self, &check, block);
    screen_without_stick(status_text(why));
    say("The machine switches itself off in %u seconds, or when a key is pressed.\n",
        UNWRITABLE_WAIT);
    screen_wait(UNWRITABLE_WAIT);
    power_off();
}

static void begin(void)
{
    EFI_STATUS status = report_begin(&state);

    if (!EFI_ERROR(status))
        status = save();
    if (EFI_ERROR(status))
        only_look(status);
}

static void begin_or_go_on(void)
{
    bool known = load_state();

    if (known && !state.finished)
        return;
    if (known) {
        say("\nThe self-test on this stick is complete: \\CEDE\\%s.json is its report.\n"
            "A new one begins in %u seconds, or when a key is pressed. Switch the machine off if "
            "you\n"
            "do not want that.\n",
            state.report, FINISHED_WAIT);
        screen_wait(FINISHED_WAIT);
    }
    begin();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    EFI_STATUS status;

    uefi_init(table);
    if (run_ordered(image, &status))
        return status;
    self = image;
    stick_init(image);
    add_steps();
    BS->SetWatchdogTimer(0, 0, 0, NULL);
    watchdog_stop();
    begin_or_go_on();
    screen_begin(&state);
    resume();
    while (state_step(&state) < steps_count())
        next_step();
    finish();
    return EFI_SUCCESS;
}
