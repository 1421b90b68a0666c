/* Finds and reads cede.conf and the policy that it names; conf.c parses them. */
#include "next/next.h"
#include "uefi/refuse.h"
#include "uefi/text.h"
#include "uefi/volume.h"

static EFI_STATUS read_conf(EFI_HANDLE volume, void **text, u64 *size)
{
    EFI_STATUS status = volume_read(volume, L"\\cede.conf", CONF_LIMIT, text, size);

    if (status == EFI_NOT_FOUND)
        status = volume_read(volume, L"\\EFI\\cede\\cede.conf", CONF_LIMIT, text, size);
    return status;
}

static bool load_list(EFI_HANDLE volume, struct conf *conf, struct conf_list *list,
                      char error[CONF_ERROR])
{
    CHAR16 path[CONF_PATH];
    void *text;
    u64 size;
    EFI_STATUS status;

    if (!list->file[0])
        return true;
    status = text_to_utf16(list->file, path, COUNT(path))
                 ? volume_read(volume, path, POLICY_LIMIT, &text, &size)
                 : EFI_INVALID_PARAMETER;
    if (EFI_ERROR(status)) {
        text_print(error, CONF_ERROR, "policy = %s: it cannot be read from Cede's volume: %s",
                   list->file,
                   status == EFI_BAD_BUFFER_SIZE ? "larger than 256 KiB" : status_text(status));
        return false;
    }
    bool good = conf_parse_policy(text, size, conf, list, error);
    pool_free(text);
    return good;
}

static bool load_lists(EFI_HANDLE volume, struct conf *conf, char error[CONF_ERROR])
{
    bool good = load_list(volume, conf, &conf->list, error);

    for (u32 i = 0; i < conf->guest_count && good; i++)
        good = load_list(volume, conf, &conf->guests[i].list, error);
    return good;
}

/* Room for each section that may be there, and for a list of [cede] and of each. */
static bool set_defaults(const char *text, u64 size, struct conf *conf)
{
    struct conf_room room = {.event_count = POLICY_EVENTS};

    for (u64 i = 0; i < size && room.guest_count < CONF_GUESTS; i++)
        room.guest_count += text[i] == '[';
    room.event_count += room.guest_count * POLICY_EVENTS;
    room.events = pool_alloc(room.event_count * sizeof *room.events);
    room.guests = pool_alloc((room.guest_count + 1) * sizeof *room.guests);
    conf_defaults(conf, &room);
    if (!room.events || !room.guests)
        refuse("no memory for cede.conf");
    return room.events && room.guests;
}

static bool parse(EFI_HANDLE volume, const char *text, u64 size, struct conf *conf)
{
    char error[CONF_ERROR];

    if (!set_defaults(text, size, conf))
        return false;
    bool good = conf_parse(text, size, conf, error) && load_lists(volume, conf, error) &&
                conf_finish(conf, error);
    if (!good)
        refuse("%s", error);
    return good;
}

bool conf_load(EFI_HANDLE image, struct conf *conf)
{
    EFI_LOADED_IMAGE *self = protocol(image, &loaded_image_guid);
    void *text;
    u64 size;
    EFI_STATUS status = read_conf(self->DeviceHandle, &text, &size);

    if (status == EFI_NOT_FOUND)
        return set_defaults("", 0, conf);
    if (EFI_ERROR(status)) {
        refuse("cede.conf cannot be read: %s",
               status == EFI_BAD_BUFFER_SIZE ? "larger than 64 KiB" : status_text(status));
        return false;
    }
    bool good = parse(self->DeviceHandle, text, size, conf);
    pool_free(text);
    return good;
}
