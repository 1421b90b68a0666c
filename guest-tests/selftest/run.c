#include "selftest/run.h"

#include "lib/cpu.h"
#include "lib/kept_text.h"
#include "lib/restart.h"
#include "next/start.h"
#include "uefi/devpath.h"
#include "uefi/text.h"
#include "uefi/volume.h"

/* With the block's place and the time. */
enum { OPTIONS = STEP_OPTIONS + 64 };

/* What the conductor below Cede tells the one above: a configuration table, in memory that both
 * see. */
struct order {
    char program[32], options[OPTIONS];
};

static EFI_GUID order_guid = {
    0xcede0003, 0x0000, 0x4000, {0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03}};

static EFI_STATUS start(EFI_HANDLE image, const char *name, const char *options)
{
    static CHAR16 wide[OPTIONS], file[64];
    static u8 path[PATH_LIMIT];
    EFI_LOADED_IMAGE *self = protocol(image, &loaded_image_guid);
    const u8 *volume = self ? handle_path(self->DeviceHandle) : NULL;
    struct program program = {.parent = image, .path = path, .name = name, .options = wide};
    char text[64];
    bool started;

    text_print(text, sizeof text, "\\CEDE\\%s.efi", name);
    if (!volume || !text_to_utf16(text, file, COUNT(file)) ||
        !text_to_utf16(options, wide, COUNT(wide)) ||
        !path_append_file(volume, file, path, sizeof path))
        return EFI_INVALID_PARAMETER;
    program.options_size = options[0] ? (u32)(2 * (__builtin_strlen(options) + 1)) : 0;
    return program_start(&program, &started);
}

/* --- what is printed meanwhile ------------------------------------------------------------------
 */
static EFI_TEXT_OUTPUT_STRING print;
static struct kept *copy;

static EFI_STATUS EFIAPI print_and_copy(SIMPLE_TEXT_OUTPUT_INTERFACE *console, CHAR16 *text)
{
    char line[256];

    /* CR and LF both: lines end in LF alone. */
    for (const CHAR16 *at = text; *at;) {
        u32 length = 0;

        for (; *at && length < sizeof line - 1; at++)
            if (*at != '\r')
                line[length++] = *at >= ' ' && *at < 127 ? (char)*at : *at == '\n' ? '\n' : '?';
        line[length] = 0;
        kept_put(copy, line);
    }
    return print(console, text);
}

static void copy_begin(struct kept *block)
{
    copy = block;
    if (!ST->ConOut)
        return;
    print = ST->ConOut->OutputString;
    ST->ConOut->OutputString = print_and_copy;
}

static void copy_end(void)
{
    if (ST->ConOut)
        ST->ConOut->OutputString = print;
}

/* --- the kinds of steps -------------------------------------------------------------------------
 */
static EFI_STATUS run_check(EFI_HANDLE image, const struct step *step, struct kept *block)
{
    EFI_STATUS status = start(image, step->program, step->options);

    kept_put(block, EFI_ERROR(status) ? "info: done, exit code 1\n" : "info: done, exit code 0\n");
    return status;
}

static EFI_STATUS run_memory(EFI_HANDLE image, const struct step *step, struct kept *block)
{
    (void)image;
    (void)step;
    kept_put(block, "info: done, exit code 0\n");
    restart(RT);
}

/* `since`: when it began, Cede's start included. */
static void test_options(const struct step *step, const struct kept *block, char out[OPTIONS])
{
    text_print(out, OPTIONS, "%s since=%lu report=%lx", step->options, rdtsc(), (u64)(UINTN)block);
}

static EFI_STATUS run_bare(EFI_HANDLE image, const struct step *step, struct kept *block)
{
    char options[OPTIONS];

    test_options(step, block, options);
    return start(image, step->program, options);
}

static EFI_STATUS run_cede(EFI_HANDLE image, const struct step *step, struct kept *block)
{
    static struct order order;
    EFI_STATUS status;

    text_print(order.program, sizeof order.program, "%s", step->program);
    test_options(step, block, order.options);
    status = BS->InstallConfigurationTable(&order_guid, &order);
    if (EFI_ERROR(status))
        return status;
    status = start(image, "cede", "");
    BS->InstallConfigurationTable(&order_guid, NULL);
    return status;
}

/* With Secure Boot Linux lets nobody write to memory by address (lockdown), so its lines would not
 * come back. */
static bool is_locked_down(const struct step *step)
{
    u8 secure = 0;

    global_variable(L"SecureBoot", &secure, sizeof secure);
    return secure && text_equal(step->program, "linux");
}

EFI_STATUS run_step(EFI_HANDLE image, const struct step *step, struct kept *block)
{
    static EFI_STATUS (*const kinds[])(EFI_HANDLE, const struct step *, struct kept *) = {
        [STEP_CHECK] = run_check, [STEP_MEMORY] = run_memory, [STEP_BARE] = run_bare,
        [STEP_CEDE] = run_cede,   [STEP_AGAIN] = run_bare,
    };

    if (is_locked_down(step)) {
        kept_put(block, "info: not with Secure Boot: Linux could not write its lines to memory\n");
        return EFI_UNSUPPORTED;
    }
    copy_begin(block);
    EFI_STATUS status = kinds[step->kind](image, step, block);
    copy_end();
    return status;
}

bool run_ordered(EFI_HANDLE image, EFI_STATUS *status)
{
    const struct order *order = config_table(&order_guid);

    if (order)
        *status = start(image, order->program, order->options);
    return order != NULL;
}

/* A machine that was told at a menu to boot the stick would boot its disk after the reset. */
void run_boot_here_again(void)
{
    u16 current;

    if (global_variable(L"BootCurrent", &current, sizeof current) == sizeof current)
        RT->SetVariable(L"BootNext", &global_variable_guid,
                        EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS |
                            EFI_VARIABLE_RUNTIME_ACCESS,
                        sizeof current, &current);
}
