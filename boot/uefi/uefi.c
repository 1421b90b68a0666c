#include "uefi/uefi.h"

#include "uefi/text.h"

EFI_SYSTEM_TABLE *ST;
EFI_BOOT_SERVICES *BS;
EFI_RUNTIME_SERVICES *RT;

EFI_GUID loaded_image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;
EFI_GUID device_path_guid = EFI_DEVICE_PATH_PROTOCOL_GUID;
EFI_GUID file_system_guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
EFI_GUID load_file2_guid = {
    0x4006c0c1, 0xfcb3, 0x403e, {0x99, 0x6d, 0x4a, 0x6c, 0x87, 0x24, 0xe0, 0x6d}};
EFI_GUID global_variable_guid = EFI_GLOBAL_VARIABLE;

void uefi_init(EFI_SYSTEM_TABLE *table)
{
    ST = table;
    BS = table->BootServices;
    RT = table->RuntimeServices;
}

/* ConOut takes UTF-16 with CR LF line ends (UEFI 12.4). */
static void put(const char *text)
{
    CHAR16 line[128];
    UINTN used = 0;

    for (; *text; text++) {
        if (*text == '\n')
            line[used++] = '\r';
        line[used++] = (u8)*text;
        if (used > COUNT(line) - 3 || !text[1]) {
            line[used] = 0;
            ST->ConOut->OutputString(ST->ConOut, line);
            used = 0;
        }
    }
}

void say(const char *format, ...)
{
    static char text[512];
    va_list args;

    if (!ST->ConOut)
        return;
    va_start(args, format);
    text_format(text, sizeof text, format, args);
    va_end(args);
    put(text);
}

/* Length of the text up to the blank where a line of `room` columns must break. */
static size_t line_length(const char *text, size_t room)
{
    size_t best = 0, at = 0;

    for (; text[at] && at <= room; at++)
        if (text[at] == ' ')
            best = at;
    return !text[at] && at <= room ? at : best ? best : MIN(at, room);
}

void say_wrapped(const char *prefix, const char *text)
{
    enum { COLUMNS = 79 };
    char line[COLUMNS + 1];

    do {
        size_t length = line_length(text, COLUMNS - __builtin_strlen(prefix));
        __builtin_memcpy(line, text, length);
        line[length] = 0;
        say("%s%s\n", prefix, line);
        text += length;
        while (*text == ' ')
            text++;
        prefix = "cede:   ";
    } while (*text);
}

const char *status_text(EFI_STATUS status)
{
    static const struct {
        EFI_STATUS status;
        const char *text;
    } texts[] = {
        {EFI_NOT_FOUND, "not found"},
        {EFI_LOAD_ERROR, "load error"},
        {EFI_UNSUPPORTED, "unsupported"},
        {EFI_SECURITY_VIOLATION, "refused by Secure Boot"},
        {EFI_ACCESS_DENIED, "access denied"},
        {EFI_OUT_OF_RESOURCES, "out of memory"},
        {EFI_DEVICE_ERROR, "device error"},
        {EFI_INVALID_PARAMETER, "invalid parameter"},
        {EFI_NOT_READY, "not ready"},
        {EFI_TIMEOUT, "timeout"},
        {EFI_NO_MEDIA, "no medium"},
        {EFI_WRITE_PROTECTED, "write-protected"},
        {EFI_VOLUME_FULL, "full"},
        {EFI_VOLUME_CORRUPTED, "file system damaged"},
        {EFI_ALREADY_STARTED, "already started"},
        {EFI_ABORTED, "aborted"},
    };

    for (UINTN i = 0; i < COUNT(texts); i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "error";
}

void *pool_alloc(size_t size)
{
    void *memory = NULL;

    if (EFI_ERROR(BS->AllocatePool(EfiLoaderData, size, &memory)))
        return NULL;
    BS->SetMem(memory, size, 0);
    return memory;
}

void pool_free(void *memory)
{
    if (memory)
        BS->FreePool(memory);
}

void *protocol(EFI_HANDLE handle, EFI_GUID *guid)
{
    void *interface = NULL;

    if (!handle || EFI_ERROR(BS->HandleProtocol(handle, guid, &interface)))
        return NULL;
    return interface;
}

EFI_HANDLE *handles_with(EFI_GUID *guid, UINTN *count)
{
    EFI_HANDLE *handles = NULL;

    *count = 0;
    if (EFI_ERROR(BS->LocateHandleBuffer(ByProtocol, guid, NULL, count, &handles))) {
        *count = 0;
        return NULL;
    }
    return handles;
}

const void *config_table(const EFI_GUID *guid)
{
    for (UINTN i = 0; i < ST->NumberOfTableEntries; i++)
        if (!__builtin_memcmp(&ST->ConfigurationTable[i].VendorGuid, guid, sizeof *guid))
            return ST->ConfigurationTable[i].VendorTable;
    return NULL;
}

UINTN global_variable(const CHAR16 *name, void *buffer, UINTN size)
{
    if (EFI_ERROR(RT->GetVariable((CHAR16 *)name, &global_variable_guid, NULL, &size, buffer)))
        return 0;
    return size;
}
