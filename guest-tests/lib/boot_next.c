#include "boot_next.h"
#include "chain.h"
#include "machine.h"
#include "report.h"

enum { LOAD_OPTION_ACTIVE_BIT = 1, ENTRY = 0xcede, ENTRY_SIZE = 1024 };

static EFI_GUID global_guid = {
    0x8be4df61, 0x93ca, 0x11d2, {0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c}};

void set_variable(CHAR16 *name, EFI_GUID *guid, const void *data, UINTN size)
{
    EFI_STATUS status = machine.firmware->RuntimeServices->SetVariable(
        name, guid,
        EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS,
        size, (void *)data);
    expect(!EFI_ERROR(status), "SetVariable %lx", status);
}

static u32 append(u8 *to, u32 at, const void *from, u32 size)
{
    for (u32 i = 0; i < size; i++) {
        to[at + i] = ((const u8 *)from)[i];
    }
    return at + size;
}

/* EFI_LOAD_OPTION (UEFI 3.1.3). */
void boot_next(const char *file, const void *options, u32 size)
{
    static u8 entry[ENTRY_SIZE];
    static const u16 title[] = L"told";
    const u32 attributes = LOAD_OPTION_ACTIVE_BIT;
    const u16 number = ENTRY;
    u32 path_size, used;
    const u8 *path = chain_path(file, &path_size);
    used = append(entry, 0, &attributes, 4);
    used = append(entry, used, &(u16){(u16)path_size}, 2);
    used = append(entry, used, title, sizeof title);
    used = append(entry, used, path, path_size);
    used = append(entry, used, options, size);
    set_variable(L"BootCEDE", &global_guid, entry, used);
    set_variable(L"BootNext", &global_guid, &number, sizeof number);
}
