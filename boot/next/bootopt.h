/* EFI_LOAD_OPTION (UEFI 3.1.3), the content of a Boot#### variable. Pure and bounded. */
#ifndef CEDE_BOOTOPT_H
#define CEDE_BOOTOPT_H

#include "types.h"

#define BOOTOPT_NAME 48

struct bootopt {
    char name[BOOTOPT_NAME]; /* description, for messages: not ASCII is '?' */
    bool active;             /* to be tried at boot: LOAD_OPTION_ACTIVE, and not an application */
    const u8 *path;          /* into the parsed data; valid for devpath.h */
    const u8 *optional;      /* what the program gets as LoadOptions, unaligned */
    size_t optional_size;
};

/* False if the variable is malformed. */
bool bootopt_parse(const u8 *data, size_t size, struct bootopt *option);

#endif
