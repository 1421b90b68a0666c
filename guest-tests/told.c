/* told.efi: starts \cede.efi with load options in the shapes that tools and firmware give them:
 * told to look, it only looks; told what it does not know, it says so; either way the firmware goes
 * on as before. Bare. With the word `entry` by boot options instead, one per reset, each behind
 * BootNext; the last is told to look. */
#include "boot_next.h"
#include "cede.h"
#include "chain.h"
#include "machine.h"
#include "report.h"

#define CEDE "\\cede.efi"

#define WIDE(text)  text, sizeof text
#define BYTES(text) text, sizeof text - 1

static const struct shape {
    const char *name;
    const void *bytes;
    u32 size;
    bool refused;
} shapes[] = {
    {"utf-16", WIDE(L"--check"), false},
    {"utf-16-with-mark", WIDE(L"\xfeff--check"), false},
    {"utf-16-odd", L"--check", 13, false},
    {"utf-16-line-end", WIDE(L"--check\r\n"), false},
    {"utf-16-program", WIDE(L"FS0:\\efi\\cede.efi \"--check\""), false},
    {"ascii", BYTES("--check"), false},
    {"ascii-with-nul", WIDE("--check"), false},
    {"ascii-with-mark", BYTES("\xef\xbb\xbf--check\r\n"), false},
    {"misspelt-utf-16", WIDE(L"\xfeff--chekc"), true},
    {"misspelt-ascii", BYTES("--chekc"), true},
    {"one-more", BYTES("--check --verbose"), true},
    {"one-dash", WIDE(L"cede.efi -check"), true},
};

static bool here;

static void look(u64 unused)
{
    (void)unused;
    here = under_cede();
}

static void try_shape(const struct shape *shape)
{
    EFI_STATUS status;
    test_begin(shape->name);
    expect(chain_to(CEDE, shape->bytes, shape->size, &status), "not loaded: %lx", status);
    expect(EFI_ERROR(status) == shape->refused, "status %lx", status);
    core_borrow(look, 0);
    expect(!here, "the machine is captured");
    test_end();
}

static void try_shapes(void)
{
    for (u32 i = 0; i < COUNT(shapes); i++) {
        try_shape(&shapes[i]);
    }
    firmware_probe();
    finish();
}

/* --- by boot options ----------------------------------------------------------------------------
 */
static const struct shape *const entries[] = {&shapes[8], &shapes[9], &shapes[5]};

static EFI_GUID own_guid = {
    0xcede0001, 0x0000, 0x4000, {0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01}};

static u8 steps_done(void)
{
    u8 done = 0;
    UINTN size = sizeof done;
    machine.firmware->RuntimeServices->GetVariable(L"CedeTold", &own_guid, NULL, &size, &done);
    return done;
}

static void next_entry(void)
{
    u8 done = steps_done();
    test_begin("entry");
    core_borrow(look, 0);
    expect(!here, "the machine is captured");
    expect(done < COUNT(entries), "the firmware has not stayed at the last one");
    if (done < COUNT(entries)) {
        boot_next(CEDE, entries[done]->bytes, entries[done]->size);
        done++;
    }
    set_variable(L"CedeTold", &own_guid, &done, sizeof done);
    if (!test_end()) {
        finish();
    }
    machine.firmware->RuntimeServices->ResetSystem(EfiResetCold, EFI_SUCCESS, 0, NULL);
}

static void told(u64 unused)
{
    (void)unused;
    if (option_word("entry")) {
        next_entry();
    } else {
        try_shapes();
    }
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, told);
}
