/* Finds and reads cede.conf; conf.c parses it. */
#include "next.h"
#include "refuse.h"
#include "volume.h"

static EFI_STATUS read_conf(EFI_HANDLE volume, void **text, u64 *size)
{
    EFI_STATUS status = volume_read(volume, L"\\cede.conf", CONF_LIMIT, text, size);

    if (status == EFI_NOT_FOUND)
        status = volume_read(volume, L"\\EFI\\cede\\cede.conf", CONF_LIMIT, text, size);
    return status;
}

bool conf_load(EFI_HANDLE image, struct conf *conf)
{
    EFI_LOADED_IMAGE *self = protocol(image, &loaded_image_guid);
    char error[CONF_ERROR];
    void *text;
    u64 size;
    EFI_STATUS status = read_conf(self->DeviceHandle, &text, &size);

    conf_defaults(conf);
    if (status == EFI_NOT_FOUND)
        return true;
    if (EFI_ERROR(status)) {
        refuse("cede.conf cannot be read: %s",
               status == EFI_BAD_BUFFER_SIZE ? "larger than 64 KiB" : status_text(status));
        return false;
    }
    bool good = conf_parse(text, size, conf, error);
    pool_free(text);
    if (!good)
        refuse("%s", error);
    return good;
}
